import { expectAccessible } from './support/accessibility.js';
import { create, createMany, findByName, resolve } from './support/data.js';
import { expect, test } from './support/test.js';
import { loseAnswer } from './support/timing.js';

test('a server that is gone is told; once it is back, everything goes on', async ({ page, server, signIn }) => {
  const token = await signIn('alice', 'editor');
  await create(server, token, 'BEFORE');
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('row', { name: /BEFORE/ })).toBeVisible();
  await server.stop();

  await page.getByRole('searchbox').fill('bef');
  await expect(page.getByRole('alert')).toContainText('The server cannot be reached.');
  await expect(page.getByRole('row', { name: /BEFORE/ }), 'what was loaded stays').toBeVisible();
  await expectAccessible(page, 'server gone');

  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByLabel('Name', { exact: true }).fill('DURING');
  await page.getByLabel('Value', { exact: true }).fill('sk-during');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('dialog').getByRole('alert')).toContainText('Nothing of what you entered is lost');
  await expect(page.getByLabel('Value', { exact: true })).toHaveValue('sk-during');

  await server.start();
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Added “DURING”.')).toBeVisible();
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByRole('alert')).toHaveCount(0);
  await expect(page.getByRole('status').filter({ hasText: '1 credential matches “bef”' })).toBeVisible();
  expect(await findByName(server, token, 'DURING')).not.toBeNull();
});

test('a rename and a delete that do not reach the server are taken back', async ({ page, server, signIn }) => {
  const token = await signIn('alice', 'editor');
  await create(server, token, 'FIRST');
  await create(server, token, 'SECOND');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Delete FIRST' }).click();
  await expect(page.getByText('Nothing is known to use it.')).toBeVisible();
  await server.stop();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('alert').filter({ hasText: 'FIRST' })).toContainText(
    'It is not known whether “FIRST” was deleted. The server cannot be reached.',
  );
  await expect(page.getByRole('rowheader')).toHaveText(['FIRST', 'SECOND']);

  await page.getByRole('button', { name: 'Edit SECOND' }).click();
  await page.getByLabel('Name', { exact: true }).fill('RENAMED');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('dialog').getByRole('alert')).toBeVisible();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Discard' }).click();
  await expect(page.getByRole('rowheader')).toHaveText(['FIRST', 'SECOND']);
});

test('what the server did although its answer was lost is shown, and what is not known is told so', async ({
  page,
  server,
  signIn,
}) => {
  const token = await signIn('alice', 'editor');
  for (const name of ['GONE', 'KEPT']) {
    await create(server, token, name);
  }
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Delete GONE' }).click();
  await expect(page.getByText('Nothing is known to use it.')).toBeVisible();
  const deleted = await loseAnswer(page, 'deleteCredential');
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await deleted.arrived;
  await deleted.letGo();
  const alert = page.getByRole('alert').filter({ hasText: 'It is not known' });
  await expect(alert).toContainText('It is not known whether “GONE” was deleted. The server cannot be reached.');
  await expect(page.getByRole('rowheader')).toHaveText(['KEPT']);
  expect(await findByName(server, token, 'GONE')).toBeNull();

  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByLabel('Name', { exact: true }).fill('LOST');
  await page.getByLabel('Value', { exact: true }).fill('sk-lost');
  const added = await loseAnswer(page, 'createCredential');
  await page.getByRole('button', { name: 'Save' }).click();
  await added.arrived;
  await page.getByRole('dialog').evaluate((dialog: HTMLDialogElement) => dialog.close());
  await expect(page.locator('dialog')).toHaveCount(0);
  await added.letGo();
  await expect(alert).toContainText('It is not known whether “LOST” was saved. The server cannot be reached.');
  await expect(page.getByRole('rowheader')).toHaveText(['KEPT', 'LOST']);
});

test('a value that was saved although the answer was lost is not taken for that of someone else', async ({
  page,
  server,
  signIn,
}) => {
  const token = await signIn('alice', 'editor');
  const id = await create(server, token, 'KEPT', 'first');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Edit KEPT' }).click();
  const value = page.getByLabel('New value');
  await value.fill('second');
  const lost = await loseAnswer(page, 'updateCredential');
  await page.getByRole('button', { name: 'Save' }).click();
  await lost.arrived;
  await lost.letGo();
  await expect(page.getByRole('dialog').getByRole('alert')).toContainText('Nothing of what you entered is lost');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(value).toHaveAccessibleDescription(/when you saved before, which got no answer, or by someone else/);
  expect(await resolve(server, id)).toBe('second');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Replaced the value of “KEPT”.')).toBeVisible();
});

test('what went wrong is told until one dismisses it, or tries again the same', async ({ page, server, signIn }) => {
  const token = await signIn('alice', 'editor');
  await create(server, token, 'FIRST');
  await create(server, token, 'SECOND');
  await page.goto(`${server.url}/credentials`);
  const remove = async (name: string): Promise<void> => {
    await page.getByRole('button', { name: `Delete ${name}` }).click();
    await expect(page.getByText('Nothing is known to use it.')).toBeVisible();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  };
  await page.route('**/graphql', (route) =>
    route.request().postData()?.includes('deleteCredential') ? route.abort() : route.continue(),
  );
  await remove('FIRST');
  const alert = page.getByRole('alert').filter({ hasText: 'FIRST' });
  await expect(alert).toBeVisible();
  await page.unrouteAll({ behavior: 'wait' });
  await remove('SECOND');
  await expect(page.getByText('Deleted “SECOND”.')).toBeVisible();
  await expect(alert).toBeVisible();
  await remove('FIRST');
  await expect(page.getByText('Deleted “FIRST”.')).toBeVisible();
  await expect(page.getByRole('alert')).toHaveCount(0);
});

test('a page that is opened while the server does not answer tells so and loads later', async ({
  page,
  server,
  signIn,
}) => {
  await create(server, await signIn('alice', 'editor'), 'LATER');
  await page.route('**/graphql', (route) => route.abort());
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('alert')).toContainText('The server cannot be reached.');
  await expectAccessible(page, 'nothing loaded');
  await page.unroute('**/graphql');
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByRole('row', { name: /LATER/ })).toBeVisible();
});

test('that it is not known who is signed in is told, and tried again', async ({ page, server, signIn }) => {
  await create(server, await signIn('alice', 'editor'), 'ONLY');
  await page.route('**/session', (route) => route.abort());
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('row', { name: /ONLY/ })).toBeVisible();
  await expect(page.getByRole('alert')).toContainText('The server cannot be reached.');
  await page.unroute('**/session');
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByRole('button', { name: 'Add', exact: true })).toBeVisible();
  await expect(page.getByRole('alert')).toHaveCount(0);
  await expect(page.getByRole('searchbox'), 'the focus is not lost').toBeFocused();
});

test('an order that could not be loaded is not shown as one, and the next rows are of the old', async ({
  page,
  server,
  signIn,
}) => {
  await createMany(server, await signIn('alice', 'editor'), 60);
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('rowheader')).toHaveCount(25);
  await page.route('**/graphql', (route) => route.abort());
  await page.getByRole('button', { name: 'Created' }).click();
  await expect(page.getByRole('alert')).toContainText('The server cannot be reached.');
  await expect(page.getByRole('columnheader', { name: 'Name' })).toHaveAttribute('aria-sort', 'ascending');
  await page.getByRole('button', { name: 'Load more' }).click();
  await expect(page.getByRole('alert')).toHaveCount(2);
  await expectAccessible(page, 'rows that could not be loaded');
  await page.unroute('**/graphql');
  await page.getByRole('main').getByRole('button', { name: 'Try again' }).last().click();
  await expect(page.getByRole('rowheader')).toHaveCount(60);
  await expect(page.getByRole('rowheader').nth(25)).toHaveText('KEY_0026');
});
