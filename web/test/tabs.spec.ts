import { expectAccessible } from './support/accessibility.js';
import { create, findByName, resolve } from './support/data.js';
import { expect, test } from './support/test.js';

test('what one tab does is seen in the other at once', async ({ page, context, server, signIn }) => {
  await create(server, await signIn('alice', 'editor'), 'OLD');
  const other = await context.newPage();
  for (const tab of [page, other]) {
    await tab.goto(`${server.url}/credentials`);
    await expect(tab.getByRole('rowheader')).toHaveText(['OLD']);
  }
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByLabel('Name', { exact: true }).fill('NEW');
  await page.getByLabel('Value', { exact: true }).fill('sk-new');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(other.getByRole('rowheader')).toHaveText(['NEW', 'OLD']);
  await other.getByRole('button', { name: 'Delete OLD' }).click();
  await other.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('rowheader')).toHaveText(['NEW']);
});

test('two tabs do not overwrite each other’s value unawares', async ({ page, context, server, signIn }) => {
  const token = await signIn('alice', 'editor');
  const id = await create(server, token, 'SHARED', 'first');
  const other = await context.newPage();
  for (const tab of [page, other]) {
    await tab.goto(`${server.url}/credentials`);
    await tab.getByRole('button', { name: 'Edit SHARED' }).click();
  }
  await other.getByLabel('New value').fill('second');
  await other.getByRole('button', { name: 'Save' }).click();
  await expect(other.getByText('Replaced the value of “SHARED”.')).toBeVisible();

  const value = page.getByLabel('New value');
  await value.fill('third');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(value).toHaveAccessibleDescription(/Someone replaced the value after you opened this/);
  await expectAccessible(page, 'another value meanwhile');
  expect(await resolve(server, id)).toBe('second');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Replaced the value of “SHARED”.')).toBeVisible();
  expect(await resolve(server, id)).toBe('third');
});

test('what another tab deleted is told in the form, with its name', async ({ page, context, server, signIn }) => {
  const token = await signIn('alice', 'editor');
  await create(server, token, 'GONE');
  const other = await context.newPage();
  for (const tab of [page, other]) {
    await tab.goto(`${server.url}/credentials`);
  }
  await page.getByRole('button', { name: 'Edit GONE' }).click();
  await page.getByLabel('New value').fill('sk-too-late');
  await other.getByRole('button', { name: 'Delete GONE' }).click();
  await other.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await expect(other.getByText('Deleted “GONE”.')).toBeVisible();
  expect(await findByName(server, token, 'GONE')).toBeNull();
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('dialog').getByRole('alert')).toContainText('GONE');
});

test('who signs in elsewhere has a name, a way out and Add here', async ({ page, server, signIn }) => {
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('heading', { name: 'You are not signed in' })).toBeVisible();
  await create(server, await signIn('alice', 'editor'), 'ONLY');
  // As when one comes back from another tab.
  await page.evaluate(() => void document.dispatchEvent(new Event('visibilitychange')));
  await expect(page.getByRole('rowheader')).toHaveText(['ONLY']);
  await expect(page.getByRole('banner')).toContainText('alice');
  await expect(page.getByRole('button', { name: 'Sign out' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Add', exact: true })).toBeVisible();
});
