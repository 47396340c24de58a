import { expectAccessible } from './support/accessibility.js';
import { create, declareMany, resolve } from './support/data.js';
import { expect, test } from './support/test.js';

test('many uses are shown page by page, whoever they are', async ({ page, server, signIn }) => {
  const id = await create(server, await signIn('alice', 'editor'), 'SHARED');
  await declareMany(server, id, 60);
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Used by 60: show what uses SHARED' }).click();
  const dialog = page.getByRole('dialog', { name: 'What uses “SHARED”' });
  await expect(dialog.getByRole('listitem')).toHaveCount(50);
  await dialog.getByRole('button', { name: 'Show more (50 of 60)' }).click();
  await expect(dialog.getByRole('listitem')).toHaveCount(60);
  await expect(dialog.getByRole('button', { name: /^Show more/ })).toHaveCount(0);
  await dialog.getByRole('button', { name: 'Close' }).click();
  await expect(page.getByRole('button', { name: /^Used by 60/ })).toBeFocused();
});

test('a credential that nothing declares to use is deleted without typing its name', async ({
  page,
  server,
  signIn,
}) => {
  const id = await create(server, await signIn('alice', 'editor'), 'READ');
  await resolve(server, id);
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Delete READ' }).click();
  const dialog = page.getByRole('alertdialog');
  await expect(dialog.getByText(/Nothing is known to use it\.|What uses it will fail/)).toBeVisible();
  await expect(dialog.getByRole('textbox')).toHaveCount(0);
  await expectAccessible(page, 'delete dialog without declared uses');
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByText('Deleted “READ”.')).toBeVisible();
});
