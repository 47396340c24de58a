import { expectAccessible } from './support/accessibility.js';
import { create, declareMany, resolve, untilUsedBy } from './support/data.js';
import { endElsewhere } from './support/session.js';
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
  const token = await signIn('alice', 'editor');
  const id = await create(server, token, 'READ');
  await resolve(server, id);
  await untilUsedBy(server, token, id, 1);
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Delete READ' }).click();
  const dialog = page.getByRole('alertdialog');
  await expect(dialog.getByText('What uses it will fail')).toBeVisible();
  await expect(dialog.getByRole('listitem')).toContainText('Not declared.');
  await expect(dialog.getByRole('textbox')).toHaveCount(0);
  await expectAccessible(page, 'delete dialog without declared uses');
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByText('Deleted “READ”.')).toBeVisible();
});

test('a session that has ended is told in the dialogs, with the way to sign in', async ({ page, server, signIn }) => {
  const id = await create(server, await signIn('alice', 'editor'), 'SHARED');
  await declareMany(server, id, 1);
  await create(server, await signIn('alice', 'editor'), 'UNUSED');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Delete UNUSED' }).click();
  await expect(page.getByText('Nothing is known to use it.')).toBeVisible();
  await endElsewhere(page, server);
  const confirm = page.getByRole('alertdialog');
  await confirm.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: /^Used by 1/ }).click();
  const link = page.getByRole('dialog').getByRole('link', { name: 'Sign in in a new tab' });
  await expect(link).toHaveAttribute('href', '/login?return=%2Fcredentials');
  await expectAccessible(page, 'uses that could not be loaded');
  await page.getByRole('button', { name: 'Close' }).click();

  await signIn('alice', 'editor');
  await page.getByRole('button', { name: 'Delete UNUSED' }).click();
  await expect(page.getByText('Nothing is known to use it.')).toBeVisible();
  await endElsewhere(page, server);
  await confirm.getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('heading', { name: 'Your session has ended' })).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Credentials' }), 'the focus is not lost').toBeFocused();
});
