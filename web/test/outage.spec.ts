import { expectAccessible } from './support/accessibility.js';
import { create, createMany, findByName } from './support/data.js';
import { expect, test } from './support/test.js';

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
  await expect(page.getByRole('alert')).toContainText('“FIRST” was not deleted. The server cannot be reached.');
  await expect(page.getByRole('rowheader')).toHaveText(['FIRST', 'SECOND']);

  await page.getByRole('button', { name: 'Edit SECOND' }).click();
  await page.getByLabel('Name', { exact: true }).fill('RENAMED');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('dialog').getByRole('alert')).toBeVisible();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Discard' }).click();
  await expect(page.getByRole('rowheader')).toHaveText(['FIRST', 'SECOND']);
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

  await page.route('**/session', (route) => route.abort());
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('alert')).toContainText('You are still signed in');
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
  await page.unroute('**/graphql');
  await page.getByRole('button', { name: 'Load more' }).click();
  await expect(page.getByRole('rowheader')).toHaveCount(60);
  await expect(page.getByRole('rowheader').nth(25)).toHaveText('KEY_0026');
});
