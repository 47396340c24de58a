import { expectAccessible } from './support/accessibility.js';
import { create, findByName } from './support/data.js';
import { expectNowhere } from './support/secret.js';
import { endElsewhere } from './support/session.js';
import { expect, test } from './support/test.js';

test('a one-time link signs in once, and leaves no trace in the address', async ({ page, server, watch }) => {
  const link = await server.command('login-link', '--sub', 'alice', '--role', 'admin');
  const code = new URL(/http:\S+/.exec(link)![0]).hash;
  await page.goto(`${server.url}/login${code}`);
  await expect(page).toHaveURL(`${server.url}/credentials`);
  await expect(page.getByRole('banner')).toContainText('alice');
  await expectNowhere(page, watch, code.slice(1));

  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL(`${server.url}/login`);
  await page.goto(`${server.url}/login${code}`);
  await expect(page.getByRole('alert')).toContainText('This link was used before');
  await expect(page).toHaveURL(`${server.url}/login`);
  await expectAccessible(page, 'link refused');
});

test('a token signs in; a wrong one is told beside the field', async ({ page, server, watch }) => {
  await page.goto(`${server.url}/login?return=${encodeURIComponent('/credentials?q=open')}`);
  await expectAccessible(page, 'login');
  const field = page.getByLabel('Token', { exact: true });
  await field.fill('not-a-token');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(field).toHaveAccessibleDescription(/not valid/);
  await expect(field).toBeFocused();
  await expectAccessible(page, 'token refused');

  const token = await server.token('alice', 'editor');
  await field.fill(token);
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(`${server.url}/credentials?q=open`);
  await expect(page.getByRole('banner')).toContainText('alice');
  await expectNowhere(page, watch, token);

  await page.goto(`${server.url}/login`);
  await expect(page.getByText('You are signed in as alice.')).toBeVisible();
  await expectAccessible(page, 'login while signed in');
  await page.getByRole('link', { name: 'Go on' }).click();
  await expect(page).toHaveURL(`${server.url}/credentials`);
});

test('that signing out did not work is told, with the reason', async ({ page, server, signIn }) => {
  await signIn('alice', 'editor');
  await page.goto(`${server.url}/credentials`);
  await page.route('**/session', (route) => route.abort());
  await page.getByRole('button', { name: 'Sign out' }).click();
  const alert = page.getByRole('banner').getByRole('alert');
  await expect(alert).toHaveText('You are still signed in. The server cannot be reached.');
  await expectAccessible(page, 'not signed out');
  await page.unroute('**/session');
  // A browser says by itself where a request comes from: this one is sent beside it.
  await page.route('**/session', async (route) => {
    const headers = { ...route.request().headers(), origin: 'https://example.com' };
    await route.fulfill({ response: await route.fetch({ headers }) });
  });
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(alert).toContainText('You are still signed in. A session is for the server');
});

test('what is no known reason in the address is told as any other', async ({ page, server }) => {
  for (const reason of ['constructor', '__proto__', 'unheard_of']) {
    await page.goto(`${server.url}/login?for=${reason}#error=${reason}`);
    await expect(page.getByRole('alert')).toHaveText('Signing in at your provider did not work. Try again.');
  }
});

test('signing in leads to no other site', async ({ page, server }) => {
  for (const target of [
    'https://example.com/',
    '//example.com/',
    '/\\example.com/',
    'javascript:alert(1)',
    '/login',
    '//',
    '/.//example.com/phish',
    '/./\\example.com/phish',
    '/x/..//example.com/phish',
    '/%2e//example.com/phish',
    '/x/%2E%2e//example.com/phish',
    '/\t/example.com/phish',
  ]) {
    await page.goto(`${server.url}/login?return=${encodeURIComponent(target)}`);
    await page.getByLabel('Token', { exact: true }).fill(await server.token('alice', 'viewer'));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expect(page).toHaveURL(`${server.url}/credentials`);
  }
});

test('who is not signed in is asked to, and comes back to the same view', async ({ page, server }) => {
  await page.goto(`${server.url}/credentials?q=key&order=created-desc`);
  await expect(page.getByRole('heading', { name: 'You are not signed in' })).toBeVisible();
  await expectAccessible(page, 'signed out');
  await page.getByRole('link', { name: 'Sign in' }).click();
  await page.getByLabel('Token', { exact: true }).fill(await server.token('alice', 'viewer'));
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page).toHaveURL(`${server.url}/credentials?q=key&order=created-desc`);
  await expect(page.getByRole('heading', { name: 'Nothing matches “key”' })).toBeVisible();
});

test('a session that has ended is told, and hides what was shown', async ({ page, server, signIn }) => {
  await create(server, await signIn('alice', 'editor'), 'OPENAI_KEY');
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('row', { name: /OPENAI_KEY/ })).toBeVisible();
  await endElsewhere(page, server);
  await page.getByRole('searchbox').fill('open');
  await expect(page.getByRole('heading', { name: 'Your session has ended' })).toBeVisible();
  await expect(page.getByText('OPENAI_KEY')).toHaveCount(0);
  await expect(page.getByRole('link', { name: 'Sign in' })).toHaveAttribute(
    'href',
    `/login?return=${encodeURIComponent('/credentials?q=open')}`,
  );
  await expectAccessible(page, 'expired');
});

test('a session that ends while a form is open loses nothing: sign in elsewhere, then save', async ({
  page,
  server,
  signIn,
  watch,
}) => {
  const token = await signIn('alice', 'editor');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByLabel('Name', { exact: true }).fill('KEPT');
  await page.getByLabel('Value', { exact: true }).fill('sk-kept');
  await endElsewhere(page, server);
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('dialog').getByRole('alert')).toContainText('Your session has ended.');
  await expectAccessible(page, 'expired in a form');

  const popup = page.waitForEvent('popup');
  await page.getByRole('link', { name: 'Sign in in a new tab' }).click();
  const login = await popup;
  await login.getByLabel('Token', { exact: true }).fill(token);
  await login.getByRole('button', { name: 'Sign in' }).click();
  await expect(login.getByRole('heading', { name: 'No credentials yet' })).toBeVisible();

  await expect(page.getByLabel('Value', { exact: true })).toHaveValue('sk-kept');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Added “KEPT”.')).toBeVisible();
  expect(await findByName(server, token, 'KEPT')).not.toBeNull();
  await expectNowhere(page, watch, 'sk-kept');
});

test('signing out ends the session on the server, in all tabs', async ({ page, context, server, signIn }) => {
  await signIn('alice', 'editor');
  const other = await context.newPage();
  await other.goto(`${server.url}/credentials`);
  await expect(other.getByRole('heading', { name: 'No credentials yet' })).toBeVisible();
  await page.goto(`${server.url}/credentials`);
  const cookies = await context.cookies();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  await expect(other.getByRole('heading', { name: 'Your session has ended' })).toBeVisible();

  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Origin: server.url,
      Cookie: cookies.map(({ name, value }) => `${name}=${value}`).join('; '),
    },
    body: '{"query":"{ viewer { id } }"}',
  });
  expect(response.status, 'the cookie of before is worth nothing').toBe(401);
});

test('going back after signing out shows nothing of before', async ({ page, server, signIn }) => {
  await create(server, await signIn('alice', 'editor'), 'OPENAI_KEY');
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByText('OPENAI_KEY')).toBeVisible();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL(`${server.url}/login`);
  await page.goBack();
  await expect(page.getByRole('heading', { name: 'You are not signed in' })).toBeVisible();
  await expect(page.getByText('OPENAI_KEY')).toHaveCount(0);
});

test('no script can read the session, and storage stays empty', async ({ page, server, signIn }) => {
  await signIn('alice', 'editor');
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('heading', { name: 'No credentials yet' })).toBeVisible();
  expect(await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length])).toEqual(['', 0, 0]);
  expect(await page.context().cookies()).toMatchObject([{ httpOnly: true, sameSite: 'Strict', path: '/' }]);
});
