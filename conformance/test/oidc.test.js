// Sign-in through an OpenID Connect provider: the authorization code flow with PKCE, with a real provider.

import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { Browser, startProvider } from './support/provider.js';
import { startServer } from './support/server.js';

const SECRET = 'the-secret-of-the-client-of-these-checks';
const directory = mkdtempSync(join(tmpdir(), 'credence-oidc-'));
const secretFile = join(directory, 'secret');
writeFileSync(secretFile, `${SECRET}\n`, { mode: 0o600 });
const logFile = join(directory, 'log');
const log = openSync(logFile, 'w');

const provider = await startProvider();
const options = ['--oidc-issuer', provider.issuer, '--oidc-client-id', 'credence', '--oidc-role-claim', 'roles'];
const server = await startServer({
  options: [...options, '--oidc-client-secret-file', secretFile, '--oidc-label', 'Example Inc.'],
  level: 'trace',
  log,
});
provider.serve(server.origin, SECRET);
after(async () => {
  await server.stop();
  await provider.stop();
  closeSync(log);
  rmSync(directory, { recursive: true });
});

/** What must stand nowhere in the log. */
const secrets = [SECRET];

async function session(browser, origin = server.origin) {
  const response = await browser.ask(`${origin}/session`);
  assert.equal(response.status, 200);
  return await response.json();
}

/** Keeps in mind the cookies that an answer sets: of a session, and of a sign-in under way. */
function keepCookies(response) {
  for (const cookie of response.headers.getSetCookie()) {
    // Of an attempt, what is secret stands before the first point.
    const [, value] = /^credence-(?:session|attempt)-\d+=([\w-]*)/.exec(cookie);
    if (value) secrets.push(value);
  }
}

/** Goes all the way. Returns the page that the browser ends at. */
async function signIn(browser, name, { path = '', origin = server.origin } = {}) {
  const there = await browser.go(`${origin}/login/oidc${path}`);
  assert.equal(there.status, 303);
  keepCookies(there);
  const back = await browser.signIn(Browser.location(there), name);
  const code = new URL(back).searchParams.get('code');
  if (code) secrets.push(code);
  const end = await browser.go(back);
  keepCookies(end);
  return end;
}

function assertProblem(response, problem) {
  assert.equal(response.status, 303);
  assert.equal(response.headers.get('location'), `/login#error=${problem}`);
  assert.ok(!response.headers.getSetCookie().some((cookie) => cookie.startsWith('credence-session')));
}

test('the page is told that there is a provider, and what it is called', async () => {
  assert.deepEqual(await session(new Browser()), { signedIn: false, ways: { oidc: { label: 'Example Inc.' } } });
});

test('the way there has all that protects it', async () => {
  const there = await new Browser().go(`${server.origin}/login/oidc?return=/graphiql`);
  const url = new URL(there.headers.get('location'));
  assert.equal(url.origin, provider.issuer);
  assert.equal(url.searchParams.get('response_type'), 'code');
  assert.equal(url.searchParams.get('client_id'), 'credence');
  assert.equal(url.searchParams.get('redirect_uri'), `${server.origin}/login/oidc/callback`);
  assert.equal(url.searchParams.get('code_challenge_method'), 'S256');
  for (const name of ['state', 'nonce', 'code_challenge']) {
    assert.equal(url.searchParams.get(name).length, 43, name);
  }
  const [cookie] = there.headers.getSetCookie();
  assert.match(cookie, /^credence-attempt-\d+=[\w-]{43}\.\d+\.\.[\w-]{43}\.\/graphiql; HttpOnly; SameSite=Lax; Path=\/login\/oidc; Max-Age=600$/);
  assert.equal(there.headers.get('cache-control'), 'no-store');
});

test('who signs in at the provider is signed in, with the rights that its claims give', async () => {
  const browser = new Browser();
  const page = await signIn(browser, 'alice', { path: '?return=/credentials%3Fq%3Da%26order%3Dname' });
  assert.equal(page.status, 200);
  const html = await page.text();
  assert.match(html, /<html lang="en" data-return="\/credentials\?q=a&amp;order=name">/);
  assert.match(html, /<script src="\/login\/oidc\/continue\.js"><\/script>/);
  assert.match(page.headers.get('content-security-policy'), /^default-src 'none'; script-src 'self';/);
  const script = await browser.go(`${server.origin}/login/oidc/continue.js`);
  assert.equal(script.headers.get('content-type'), 'text/javascript; charset=utf-8');
  const [set, gone] = page.headers.getSetCookie();
  assert.match(set, /^credence-session-\d+=[\w-]{43}; HttpOnly; SameSite=Strict; Path=\/; Max-Age=28800$/);
  assert.match(gone, /^credence-attempt-\d+=; HttpOnly; SameSite=Lax; Path=\/login\/oidc; Max-Age=0$/);
  const { endsAt, ...state } = await session(browser);
  assert.deepEqual(state, {
    signedIn: true,
    name: 'alice of the provider',
    subject: 'alice',
    scopes: ['credentials:read', 'credentials:write'],
    ways: { oidc: { label: 'Example Inc.' } },
  });
  const hours = (Date.parse(endsAt) - Date.now()) / 3_600_000;
  assert.ok(hours > 7.9 && hours <= 8, `${hours}`);
  const answer = await browser.ask(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ viewer { name email subject } }' }),
  });
  assert.deepEqual((await answer.json()).data.viewer, {
    name: 'alice of the provider',
    email: 'alice@example.com',
    subject: 'alice',
  });
});

test('a role that is a text counts like a list of one', async () => {
  const browser = new Browser();
  await signIn(browser, 'ada');
  assert.ok((await session(browser)).scopes.includes('users:manage'));
});

test('one whom the claims give nothing does not come in', async () => {
  const browser = new Browser();
  assertProblem(await signIn(browser, 'nobody'), 'no_rights');
  assert.equal((await session(browser)).signedIn, false);
});

test('one who changes their mind at the provider does not come in', async () => {
  assertProblem(await signIn(new Browser(), undefined), 'denied');
});

test('what one browser began, another one does not end', async () => {
  const [alice, mallory] = [new Browser(), new Browser()];
  const there = await alice.go(`${server.origin}/login/oidc`);
  const back = await alice.signIn(Browser.location(there), 'alice');
  assertProblem(await mallory.go(back), 'expired');
  // Nor when it has begun something of its own: this is how one would be signed in as somebody else unawares.
  await mallory.go(`${server.origin}/login/oidc`);
  assertProblem(await mallory.go(back), 'expired');
  const tampered = new URL(back);
  tampered.searchParams.set('iss', 'https://evil.example');
  assertProblem(await alice.go(tampered.href), 'refused');
  assert.equal((await alice.go(back)).status, 200);
});

test('a code is good once', async () => {
  const browser = new Browser();
  const there = await browser.go(`${server.origin}/login/oidc`);
  const [cookie] = there.headers.getSetCookie();
  const back = await browser.signIn(Browser.location(there), 'alice');
  assert.equal((await browser.go(back)).status, 200);
  assertProblem(await browser.go(back), 'expired');
  const again = await fetch(back, { redirect: 'manual', headers: { cookie: cookie.split(';')[0] } });
  assertProblem(again, 'refused');
});

test('a code that was given for something else is good for nothing', async () => {
  for (const name of ['nonce', 'code_challenge']) {
    const browser = new Browser();
    const there = await browser.go(`${server.origin}/login/oidc`);
    const url = new URL(Browser.location(there));
    url.searchParams.set(name, 'x'.repeat(43));
    const back = await browser.signIn(url.href, 'alice');
    assertProblem(await browser.go(back), 'refused');
    assert.equal((await session(browser)).signedIn, false);
  }
});

test('nobody is sent to another site', async () => {
  for (const path of [
    'https://evil.example',
    '//evil.example',
    '/\\evil.example',
    '/.//evil.example',
    '/x/..//evil.example',
    '/%2e//evil.example',
    'javascript:alert(1)',
    '/"><script>',
    '',
  ]) {
    const there = await new Browser().go(`${server.origin}/login/oidc?return=${encodeURIComponent(path)}`);
    const [cookie] = there.headers.getSetCookie();
    assert.match(cookie, /^[^=]+=[\w-]{43}\.\d+\.\.[\w-]{43}\.\/credentials;/, path);
  }
});

test('a client without a secret signs in by PKCE alone', async () => {
  const public_ = await startProvider();
  const more = ['--oidc-issuer', public_.issuer, '--oidc-client-id', 'credence', '--oidc-role-claim', 'roles'];
  const another = await startServer({ options: more });
  try {
    public_.serve(another.origin);
    const browser = new Browser();
    assert.equal((await signIn(browser, 'alice', { origin: another.origin })).status, 200);
    assert.equal((await session(browser, another.origin)).subject, 'alice');
  } finally {
    await another.stop();
    await public_.stop();
  }
});

test('without a claim for roles the claim scope counts, and these accounts have none', async () => {
  const plain = await startProvider();
  const another = await startServer({ options: ['--oidc-issuer', plain.issuer, '--oidc-client-id', 'credence'] });
  try {
    plain.serve(another.origin);
    assertProblem(await signIn(new Browser(), 'ada', { origin: another.origin }), 'no_rights');
  } finally {
    await another.stop();
    await plain.stop();
  }
});

test('a provider that is not there, or is another one, is told', async () => {
  const gone = await startProvider();
  await gone.stop();
  const absent = await startServer({ options: ['--oidc-issuer', gone.issuer, '--oidc-client-id', 'credence'], log: 'ignore' });
  const slash = await startServer({ options: ['--oidc-issuer', `${provider.issuer}/`, '--oidc-client-id', 'c'], log: 'ignore' });
  try {
    assertProblem(await new Browser().go(`${absent.origin}/login/oidc`), 'provider_unavailable');
    assertProblem(await new Browser().go(`${slash.origin}/login/oidc`), 'provider_unavailable');
  } finally {
    await absent.stop();
    await slash.stop();
  }
});

test('neither codes, cookies nor the secret stand in the log at its finest', () => {
  const text = readFileSync(logFile, 'utf8');
  // The secret; of each of two who came in a code and two cookies, and of others what they got.
  assert.ok(text.includes('DEBUG') && secrets.length > 8);
  assert.deepEqual(secrets.filter((secret) => text.includes(secret)), []);
});
