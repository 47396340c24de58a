// Access tokens of a real provider: its key set by URL, its rotation of keys, and what its clients are known by.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { newKey, startIssuer } from './support/issuer.js';
import { binary, startServer } from './support/server.js';

const directory = mkdtempSync(join(tmpdir(), 'credence-tokens-'));
const masterKey = join(directory, 'master.key');
execFileSync(binary, ['keys', 'generate', masterKey], { stdio: 'ignore' });

const [first, second] = [newKey('RS256'), newKey('ES256')];
const issuer = await startIssuer([first]);
const server = await start();
after(async () => {
  await server.stop();
  await issuer.stop();
  rmSync(directory, { recursive: true });
});

/** A server that takes the tokens of the issuer. */
async function start() {
  return await startServer({
    level: 'error',
    options: [
      ...['--master-key-file', masterKey, '--jwks-url', `${issuer.url}/jwks`, '--jwt-issuer', issuer.url],
      ...['--jwt-audience', 'https://credence.example.com', '--require-at-jwt', '--resolve-client', 'runtime'],
    ],
  });
}

/** Asks with a token. Returns the status and the body. */
async function ask(token, query, variables, { url } = server) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  return { status: response.status, body: await response.json() };
}

const WHO = '{ viewer { subject } }';
const CREATE = 'mutation { createCredential(input: {name: "KEY", value: "v"}) { credential { id } } }';
const RESOLVE = `mutation($id: ID!) {
  resolveCredential(input: {credentialId: $id, consumer: {kind: WORKFLOW, externalId: "w"}}) { value }
}`;

/** The header of a token. */
function header(token) {
  return JSON.parse(Buffer.from(token.split('.')[0], 'base64url').toString());
}

test('access tokens of the provider are accepted, with the scopes that it grants', async () => {
  const token = await issuer.token('panel', 'credentials:read credentials:write');
  assert.deepEqual(header(token), { alg: 'RS256', typ: 'at+jwt', kid: first.kid });
  const { status, body } = await ask(token, WHO);
  assert.equal(status, 200);
  assert.deepEqual(body, { data: { viewer: { subject: 'panel' } } });
  const reader = await issuer.token('panel', 'credentials:read');
  assert.equal((await ask(reader, CREATE)).body.errors[0].extensions.code, 'FORBIDDEN');
});

test('of two clients that have the scope, the one that is named resolves', async () => {
  const panel = await issuer.token('panel', 'credentials:write credentials:resolve');
  const created = await ask(panel, CREATE);
  const { id } = created.body.data.createCredential.credential;
  assert.equal((await ask(panel, RESOLVE, { id })).body.errors[0].extensions.code, 'FORBIDDEN');
  const runtime = await issuer.token('runtime', 'credentials:resolve');
  assert.deepEqual((await ask(runtime, RESOLVE, { id })).body, { data: { resolveCredential: { value: 'v' } } });
});

test('a token for another audience is refused', async () => {
  const token = await issuer.token('panel', 'credentials:read', 'https://other.example.com');
  assert.equal((await ask(token, WHO)).status, 401);
});

test('the provider rotates its key, and no token is refused meanwhile', async () => {
  const before = await issuer.token('panel', 'credentials:read');
  assert.equal((await ask(before, WHO)).status, 200);
  // The new key signs, and the old one is still published.
  issuer.use([second, first]);
  const during = await issuer.token('panel', 'credentials:read');
  assert.deepEqual(header(during), { alg: 'ES256', typ: 'at+jwt', kid: second.kid });
  assert.equal((await ask(during, WHO)).status, 200);
  assert.equal((await ask(before, WHO)).status, 200);
});

test('the provider withdraws a key, and its tokens are refused', async () => {
  issuer.use([first]);
  const another = await start();
  try {
    const before = await issuer.token('panel', 'credentials:read');
    assert.equal((await ask(before, WHO, undefined, another)).status, 200);
    issuer.use([second]);
    const afterwards = await issuer.token('panel', 'credentials:read');
    assert.equal((await ask(afterwards, WHO, undefined, another)).status, 200);
    assert.equal((await ask(before, WHO, undefined, another)).status, 401);
  } finally {
    await another.stop();
  }
});
