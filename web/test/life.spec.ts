import { expectAccessible } from './support/accessibility.js';
import { declare, findByName, resolve, untilUsedBy } from './support/data.js';
import { expectNowhere } from './support/secret.js';
import { expect, test } from './support/test.js';

const PEM = '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\nBCIEIA\n-----END PRIVATE KEY-----\n';

test('a credential is added, renamed, rotated, used and deleted through the page', async ({
  page,
  server,
  signIn,
  watch,
}) => {
  const token = await signIn('alice', 'admin');
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('heading', { name: 'No credentials yet' })).toBeVisible();
  await expectAccessible(page, 'empty');

  await page.getByRole('button', { name: 'Add the first one' }).click();
  const add = page.getByRole('dialog', { name: 'Add credential' });
  await expect(add.getByLabel('Name', { exact: true })).toBeFocused();
  await expectAccessible(page, 'add dialog');
  await add.getByLabel('Name', { exact: true }).fill('OPENAI_PROD_API_KEY');
  await add.getByLabel('Value', { exact: true }).fill(PEM);
  await add.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'Added “OPENAI_PROD_API_KEY”.' })).toBeVisible();
  await expect(add).toBeHidden();
  await expect(page.getByRole('button', { name: 'Add', exact: true })).toBeFocused();
  await expectAccessible(page, 'a new row and its notice');
  for (const line of PEM.trimEnd().split('\n')) {
    await expectNowhere(page, watch, line);
  }
  const { id } = (await findByName(server, token, 'OPENAI_PROD_API_KEY'))!;
  expect(await resolve(server, id), 'the value is kept byte for byte').toBe(PEM);

  const row = page.getByRole('row', { name: /OPENAI_PROD_API_KEY/ });
  await expect(row.getByRole('cell', { name: 'alice', exact: true })).toBeVisible();
  await expect(row.getByRole('cell', { name: 'Hidden' })).toBeVisible();
  await expect(row.getByRole('cell', { name: 'Never' })).toBeVisible();

  await row.getByRole('button', { name: 'Edit' }).click();
  const edit = page.getByRole('dialog', { name: 'Edit “OPENAI_PROD_API_KEY”' });
  await expect(edit.getByLabel('Name', { exact: true })).toHaveValue('OPENAI_PROD_API_KEY');
  await expect(edit.getByLabel('New value')).toHaveValue('');
  await expect(edit.getByText('The ID stays the same; references keep working.')).toBeVisible();
  await expectAccessible(page, 'edit dialog');
  await edit.getByLabel('Name', { exact: true }).fill('OPENAI_KEY');
  await edit.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Renamed to “OPENAI_KEY”.')).toBeVisible();
  expect(await findByName(server, token, 'OPENAI_KEY')).toMatchObject({ id, valueVersion: 1 });
  expect(await resolve(server, id), 'a rename keeps the value').toBe(PEM);
  await expect(page.getByRole('button', { name: 'Edit OPENAI_KEY' })).toBeFocused();

  await page.keyboard.press('Enter');
  await page.getByLabel('New value').fill('sk-rotated-2');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Replaced the value of “OPENAI_KEY”.')).toBeVisible();
  expect(await resolve(server, id)).toBe('sk-rotated-2');
  await expectNowhere(page, watch, 'sk-rotated-2');

  await declare(server, id, 'support');
  await untilUsedBy(server, token, id, 2);
  await page.reload();
  await expect(page.locator('td[data-label="Last used"] time')).toHaveText(/^(just now|\d+ (second|minute)s? ago)$/);
  await expect(page.getByRole('button', { name: 'Used by 2: show what uses OPENAI_KEY', exact: true })).toBeVisible();
  await page.getByRole('button', { name: /^Used by/ }).click();
  const uses = page.getByRole('dialog', { name: 'What uses “OPENAI_KEY”' });
  await expect(uses.getByRole('listitem').filter({ hasText: 'support.yaml#primary_model' })).toContainText('Declared');
  await expectAccessible(page, 'used by');
  await page.keyboard.press('Escape');
  await expect(uses).toBeHidden();
  await expect(page.getByRole('button', { name: /^Used by/ })).toBeFocused();

  await page.getByRole('button', { name: 'Delete OPENAI_KEY' }).click();
  const confirm = page.getByRole('alertdialog', { name: 'Delete “OPENAI_KEY”?' });
  await expect(confirm.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await expect(confirm.getByRole('listitem').filter({ hasText: 'support' })).toBeVisible();
  await expectAccessible(page, 'delete dialog with uses');
  await confirm.getByRole('button', { name: 'Delete' }).click();
  await expect(confirm.getByText('This is not the name.')).toBeVisible();
  await expect(confirm.getByRole('textbox')).toBeFocused();
  await expectAccessible(page, 'a name that was mistyped');
  expect(await findByName(server, token, 'OPENAI_KEY')).not.toBeNull();
  await confirm.getByRole('textbox').fill('OPENAI_KEY');
  await confirm.getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByText('Deleted “OPENAI_KEY”.')).toBeVisible();
  await expect(page.getByRole('heading', { name: 'No credentials yet' })).toBeVisible();
  expect(await findByName(server, token, 'OPENAI_KEY')).toBeNull();
});
