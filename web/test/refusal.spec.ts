import { expectAccessible } from './support/accessibility.js';
import { create, declare, findByName, resolve } from './support/data.js';
import { expectNowhere } from './support/secret.js';
import { expect, test } from './support/test.js';

test('a name that is taken is told beside the field, and what was entered stays', async ({
  page,
  server,
  signIn,
  watch,
}) => {
  const token = await signIn('alice', 'editor');
  await create(server, token, 'OPENAI_KEY');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Add' }).click();
  await page.getByLabel('Name', { exact: true }).fill('openai_key');
  await page.getByLabel('Value', { exact: true }).fill('sk-not-lost');
  await page.getByRole('button', { name: 'Save' }).click();

  const name = page.getByLabel('Name', { exact: true });
  await expect(name).toHaveAttribute('aria-invalid', 'true');
  await expect(name).toHaveAccessibleDescription(/Another credential has this name/);
  await expect(name).toBeFocused();
  await expect(page.getByLabel('Value', { exact: true })).toHaveValue('sk-not-lost');
  await expectAccessible(page, 'field error');

  await name.fill('OPENAI_KEY_2');
  await page.keyboard.press('Enter');
  await expect(page.getByText('Added “OPENAI_KEY_2”.')).toBeVisible();
  await expectNowhere(page, watch, 'sk-not-lost');
});

test('a name and a value that are too long are refused beside their fields', async ({ page, server, signIn }) => {
  await signIn('alice', 'editor');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  const name = page.getByLabel('Name', { exact: true });
  const value = page.getByLabel('Value', { exact: true });
  await name.fill('N'.repeat(129));
  await value.fill('a value');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(name).toHaveAccessibleDescription(/128/);
  await expect(name).toBeFocused();

  await name.fill('LONG');
  await value.fill('é'.repeat(32 * 1024 + 1));
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(value).toHaveAccessibleDescription(/at most 64 KiB/);
  await expect(value).toBeFocused();
  await value.fill('é'.repeat(32 * 1024));
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Added “LONG”.')).toBeVisible();
});

test('empty fields, masks, stray white space and names that look like a secret are told', async ({
  page,
  server,
  signIn,
}) => {
  const token = await signIn('alice', 'editor');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  const name = page.getByLabel('Name', { exact: true });
  const value = page.getByLabel('Value', { exact: true });
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(name).toHaveAccessibleDescription(/Enter a name\./);
  await expect(value).toHaveAccessibleDescription(/Enter the value\./);
  await expect(name).toBeFocused();

  await name.fill('sk-proj-abcdef');
  await expect(page.getByText('This looks like a secret.')).toBeVisible();
  await name.fill('KEY');
  await expect(page.getByText('This looks like a secret.')).toBeHidden();

  await value.fill('••••••••');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(value).toHaveAccessibleDescription(/mask/i);
  await value.fill(' kept as it is\n');
  await expect(page.getByText('There is white space at the start or the end.')).toBeVisible();
  await expectAccessible(page, 'warning');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Added “KEY”.')).toBeVisible();
  expect(await resolve(server, (await findByName(server, token, 'KEY'))!.id)).toBe(' kept as it is\n');
});

test('a viewer sees all credentials and no way to change them', async ({ page, server, signIn }) => {
  const alice = await server.token('alice', 'editor');
  await create(server, alice, 'HERS');
  await signIn('vera', 'viewer');
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('row', { name: /HERS/ })).toBeVisible();
  await expect(page.getByRole('button', { name: /^(Add|Edit|Delete)/ })).toHaveCount(0);
  await expect(page.getByRole('columnheader', { name: 'Operations' })).toHaveCount(0);
  await expectAccessible(page, 'viewer');
});

test('an editor changes only what is theirs', async ({ page, server, signIn }) => {
  await create(server, await server.token('bob', 'editor'), 'HIS');
  await create(server, await signIn('alice', 'editor'), 'HERS');
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('button', { name: 'Edit HERS' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Delete HERS' })).toBeVisible();
  await expect(page.getByRole('row', { name: /HIS/ })).toBeVisible();
  await expect(page.getByRole('button', { name: /^(Edit|Delete) HIS/ })).toHaveCount(0);
});

test('an admin changes what is somebody else’s', async ({ page, server, signIn }) => {
  const id = await create(server, await server.token('bob', 'editor'), 'HIS');
  await signIn('root', 'admin');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Edit HIS' }).click();
  await page.getByLabel('New value').fill('sk-of-the-admin');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Replaced the value of “HIS”.')).toBeVisible();
  expect(await resolve(server, id)).toBe('sk-of-the-admin');
  await page.getByRole('button', { name: 'Delete HIS' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
});

test('what the server forbids meanwhile is told in the dialog, and the row is as it was', async ({
  page,
  server,
  signIn,
}) => {
  const token = await signIn('alice', 'editor');
  const id = await create(server, token, 'HERS');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Edit HERS' }).click();
  const admin = await server.token('root', 'admin');
  const { viewer } = await server.ask<{ viewer: { id: string } }>(admin, '{ viewer { id } }');
  await server.ask(
    admin,
    'mutation ($input: TransferCredentialInput!) { transferCredential(input: $input) { userErrors { message } } }',
    {
      input: { credentialId: id, newOwnerId: viewer.id },
    },
  );

  await page.getByLabel('Name', { exact: true }).fill('STILL_HERS');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('dialog').getByRole('alert')).toBeVisible();
  await expect(page.getByRole('dialog').getByRole('alert')).toBeFocused();
  await expect(page.getByLabel('Name', { exact: true })).toHaveValue('STILL_HERS');
  await expectAccessible(page, 'forbidden');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Discard' }).click();
  await expect(page.getByRole('rowheader', { name: 'HERS', exact: true })).toBeVisible();

  await page.getByRole('button', { name: 'Delete HERS' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('alert').filter({ hasText: '“HERS” was not deleted.' })).toBeVisible();
  await expect(page.getByRole('rowheader', { name: 'HERS', exact: true })).toBeVisible();
  await expectAccessible(page, 'not deleted');
});

test('a use that was declared after the question makes the server refuse, and the page asks for the name', async ({
  page,
  server,
  signIn,
}) => {
  const token = await signIn('alice', 'editor');
  const id = await create(server, token, 'BUSY');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Delete BUSY' }).click();
  await expect(page.getByText('Nothing is known to use it.')).toBeVisible();
  await declare(server, id, 'support');
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByLabel('Type BUSY to delete it although it is in use')).toBeVisible();
  await expect(page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' })).toBeFocused();
  await page.getByLabel('Type BUSY to delete it although it is in use').fill('BUSY');
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByText('Deleted “BUSY”.')).toBeVisible();
  expect(await findByName(server, token, 'BUSY')).toBeNull();
});

test('leaving a form asks only when something was entered', async ({ page, server, signIn, watch }) => {
  await signIn('alice', 'editor');
  await page.goto(`${server.url}/credentials`);
  const add = page.getByRole('button', { name: 'Add', exact: true });
  const dialog = page.getByRole('dialog');
  await add.click();
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
  await expect(add).toBeFocused();

  await add.click();
  await page.getByLabel('Value', { exact: true }).fill('sk-thrown-away');
  await page.keyboard.press('Escape');
  await expect(dialog.getByText('Discard changes?')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Keep editing' })).toBeFocused();
  await expectAccessible(page, 'discard question');
  await page.keyboard.press('Enter');
  await expect(page.getByLabel('Value', { exact: true })).toHaveValue('sk-thrown-away');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Discard' }).click();
  await expect(dialog).toBeHidden();
  await expect(add).toBeFocused();
  await expectNowhere(page, watch, 'sk-thrown-away');
});

test('a value is masked until it is shown, keeps its line breaks, and is sent once', async ({
  page,
  server,
  signIn,
}) => {
  const token = await signIn('alice', 'editor');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  const value = page.getByLabel('Value', { exact: true });
  await page.getByLabel('Name', { exact: true }).fill('PEM');
  await page.evaluate(() => navigator.clipboard.writeText('first line\nsecond line'));
  await value.focus();
  await page.keyboard.press('Control+V');
  await expect(value).toHaveCSS('-webkit-text-security', 'disc');
  for (const [attribute, expected] of [
    ['autocomplete', 'off'],
    ['spellcheck', 'false'],
    ['autocapitalize', 'off'],
    ['data-1p-ignore', ''],
    ['data-lpignore', 'true'],
    ['data-bwignore', ''],
  ] as const) {
    await expect(value).toHaveAttribute(attribute, expected);
    await expect(page.getByLabel('Name', { exact: true })).toHaveAttribute(attribute, expected);
  }
  await page.evaluate(() => navigator.clipboard.writeText('of\r\nWindows'));
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Control+V');
  await expect(page.getByText('They are kept as LF.')).toBeVisible();
  await value.fill('first line\nsecond line');
  const show = page.getByRole('button', { name: 'Show' });
  await expect(show).toHaveAttribute('aria-pressed', 'false');
  await show.click();
  await expect(show).toHaveAttribute('aria-pressed', 'true');
  await expect(value).toHaveCSS('-webkit-text-security', 'none');

  let sent = 0;
  page.on('request', (request) => (sent += request.postData()?.includes('createCredential') ? 1 : 0));
  await page.getByRole('button', { name: 'Save' }).dblclick();
  await expect(page.getByText('Added “PEM”.')).toBeVisible();
  expect(sent).toBe(1);
  expect(await resolve(server, (await findByName(server, token, 'PEM'))!.id)).toBe('first line\nsecond line');
});

test('Esc pressed again and again throws nothing away', async ({ page, server, signIn }) => {
  await signIn('alice', 'editor');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  const value = page.getByLabel('Value', { exact: true });
  await value.fill('sk-typed-with-care');
  for (let press = 0; press < 6; press += 1) {
    await page.keyboard.press('Escape');
  }
  await expect(value).toHaveValue('sk-typed-with-care');
  await page.getByRole('heading', { name: 'Add credential' }).click();
  await page.keyboard.press('Escape');
  await expect(page.getByText('Discard changes?'), 'also while no field has the focus').toBeVisible();
});
