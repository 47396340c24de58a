import type { Locator, Page } from '@playwright/test';
import { expectAccessible } from './support/accessibility.js';
import { create, findByName } from './support/data.js';
import { endElsewhere } from './support/session.js';
import { expect, test } from './support/test.js';

const SUBSCRIPTION = 'subscription Changes { credentialChanged { action credential { name } } }';

function result(page: Page): Locator {
  return page.getByRole('region', { name: 'Result Window' });
}

/** Replaces what is in an editor: the first is the one of operations. */
async function write(page: Page, editor: Locator, text: string): Promise<void> {
  await editor.locator('.CodeMirror-lines').filter({ visible: true }).click();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText(text);
}

function operations(page: Page): Locator {
  return page.getByRole('region', { name: 'Query Editor' });
}

/** Runs one operation, once the explorer has read it: then its name is above the editor. */
async function run(page: Page, operation: string): Promise<void> {
  await write(page, operations(page), operation);
  const name = /^\w+ (\w+)/.exec(operation)![1]!;
  await expect(page.getByRole('list', { name: 'Select active operation' }).getByRole('button', { name })).toBeVisible();
  await page.keyboard.press('Control+Enter');
}

/** Resolves to the address of the WebSocket on which the server has begun a subscription: it answers a ping in its turn. */
async function subscribed(page: Page): Promise<() => Promise<string>> {
  let begin = (address: string): void => void address;
  const begun = new Promise<string>((resolve) => (begin = resolve));
  await page.routeWebSocket('**/graphql', (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => {
      server.send(message);
      if (message.toString().includes('"type":"subscribe"')) {
        server.send('{"type":"ping"}');
      }
    });
    server.onMessage((message) => {
      if (message.toString().includes('"type":"pong"')) {
        begin(socket.url());
      } else {
        socket.send(message);
      }
    });
  });
  return () => begun;
}

test('the explorer runs a query by the session', async ({ page, server, signIn }) => {
  await create(server, await signIn('alice', 'editor'), 'OPENAI_KEY');
  await page.goto(`${server.url}/graphiql`);
  await expect(page.getByRole('banner')).toContainText('alice');
  await expect(page.getByRole('link', { name: 'Explorer' })).toHaveAttribute('aria-current', 'page');
  await run(page, 'query Everything { credentials { totalCount nodes { name } } viewer { subject } }');
  await expect(result(page)).toContainText('"name": "OPENAI_KEY"');
  await expect(result(page)).toContainText('"subject": "alice"');
  await expectAccessible(page, 'explorer with a result');
});

test('the explorer knows the schema', async ({ page, server, signIn }) => {
  await signIn('alice', 'viewer');
  await page.goto(`${server.url}/graphiql`);
  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  await page.getByRole('link', { name: 'Query', exact: true }).click();
  await expect(page.getByText('The credentials, all or those whose name contains')).toBeVisible();
  await expectAccessible(page, 'documentation');

  await page.getByRole('button', { name: 'Open settings dialog' }).click();
  await expect(page.getByRole('dialog')).toBeVisible();
  await expectAccessible(page, 'settings of the explorer');
});

test('the explorer follows a subscription over a WebSocket, by the session', async ({
  page,
  server,
  signIn,
  watch,
}) => {
  const token = await signIn('alice', 'editor');
  const begun = await subscribed(page);
  await page.goto(`${server.url}/graphiql`);
  await run(page, SUBSCRIPTION);
  const address = await begun();
  expect(address).toBe(`${server.url.replace('http', 'ws')}/graphql`);
  expect(watch.requests, 'WebSockets are watched').toContain(address);
  await create(server, token, 'SEEN');
  await expect(result(page)).toContainText('"name": "SEEN"');
  await expect(result(page)).toContainText('CREDENTIAL_CREATED');
});

test('one who is not signed in is shown the way, and may use a header instead', async ({ page, server }) => {
  const token = await server.token('alice', 'editor');
  const begun = await subscribed(page);
  await page.goto(`${server.url}/graphiql`);
  const alert = page.getByRole('alert').filter({ hasText: 'The server wants to know who asks.' });
  await expect(alert.getByRole('link', { name: 'Sign in' })).toHaveAttribute('href', '/login?return=%2Fgraphiql');
  await expectAccessible(page, 'explorer, signed out');

  await page.getByRole('button', { name: 'Headers' }).click();
  await write(
    page,
    page.getByRole('region', { name: 'Headers' }),
    JSON.stringify({ Authorization: `Bearer ${token}` }),
  );
  await run(page, 'query Viewer { viewer { subject } }');
  await expect(result(page)).toContainText('"subject": "alice"');
  await expect(alert).toBeHidden();

  await run(page, SUBSCRIPTION);
  await begun();
  await create(server, token, 'BY_HEADER');
  await expect(result(page)).toContainText('"name": "BY_HEADER"');
});

test('a session that has ended is told to one who subscribes, at once', async ({ page, server, signIn }) => {
  await signIn('alice', 'editor');
  await page.goto(`${server.url}/graphiql`);
  await expect(operations(page)).toContainText('query Credentials');
  await endElsewhere(page, server);
  await run(page, SUBSCRIPTION);
  await expect(page.getByRole('alert').filter({ hasText: 'The server wants to know who asks.' })).toBeVisible();
  await expect(result(page)).toContainText('4403');
  await expect(result(page), 'no stack of the page').not.toContainText('stack');
});

test('what is typed into the explorer is kept nowhere', async ({ page, server, signIn }) => {
  const token = await signIn('alice', 'editor');
  await page.goto(`${server.url}/graphiql`);
  const mutation =
    'mutation Create { createCredential(input: {name: "TYPED", value: "sk-typed"}) { credential { id } } }';
  await run(page, mutation);
  await expect(result(page)).toContainText('"createCredential"');
  expect(await findByName(server, token, 'TYPED')).not.toBeNull();
  expect(await page.evaluate(() => [localStorage.length, sessionStorage.length])).toEqual([0, 0]);
  expect(await page.evaluate(async () => (await indexedDB.databases()).length)).toBe(0);
  await page.reload();
  await expect(operations(page)).toContainText('query Credentials');
  await expect(page.getByText('sk-typed')).toHaveCount(0);
});

test('Tab leaves the editors, and what completes a word has a name', async ({ page, server, signIn }) => {
  await signIn('alice', 'editor');
  await page.goto(`${server.url}/graphiql`);
  await write(page, operations(page), 'query Names { ');
  await page.keyboard.press('Control+Space');
  await expect(page.getByRole('listbox', { name: 'Completions' })).toBeVisible();
  // The arrow keys scroll the list while the editor keeps the focus.
  await expectAccessible(page, 'completions', ['scrollable-region-focusable']);
  await page.keyboard.press('Escape');
  const editor = operations(page).getByRole('textbox');
  await expect(editor).toBeFocused();
  const lines = operations(page).locator('.CodeMirror-line');
  const text = await lines.allInnerTexts();
  await page.keyboard.press('Tab');
  await expect(editor).not.toBeFocused();
  await page.keyboard.press('Shift+Tab');
  await expect(editor).toBeFocused();
  await page.keyboard.press('Shift+Tab');
  await expect(editor).not.toBeFocused();
  expect(await lines.allInnerTexts()).toEqual(text);
});

test('the explorer fits a narrow screen, and its buttons are seen in forced colours', async ({
  page,
  server,
  signIn,
}) => {
  await signIn('alice', 'editor');
  await page.setViewportSize({ width: 360, height: 740 });
  await page.emulateMedia({ forcedColors: 'active' });
  await page.goto(`${server.url}/graphiql`);
  for (const pane of [operations(page), result(page)]) {
    expect((await pane.boundingBox())!.width).toBeGreaterThan(250);
    expect((await pane.boundingBox())!.height).toBeGreaterThan(100);
  }
  await expect(page.getByRole('button', { name: 'Execute query' })).toHaveCSS('border-top-style', 'solid');
  await page.getByRole('button', { name: 'Open settings dialog' }).click();
  const icon = (await page.getByRole('dialog').locator('.graphiql-dialog-close svg').boundingBox())!;
  expect(icon.width).toBeGreaterThan(24);
  await page.keyboard.press('Escape');
  await page.emulateMedia({ forcedColors: 'none' });
  await expectAccessible(page, 'explorer on a narrow screen');
});

test('the head of the explorer follows what another tab does', async ({ page, context, server, signIn }) => {
  await signIn('alice', 'editor');
  await page.goto(`${server.url}/graphiql`);
  await expect(page.getByRole('banner')).toContainText('alice');
  const other = await context.newPage();
  await other.goto(`${server.url}/credentials`);
  await other.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('button', { name: 'Sign out' })).toHaveCount(0);
});
