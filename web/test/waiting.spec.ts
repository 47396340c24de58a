import { expectAccessible } from './support/accessibility.js';
import { create, createMany, findByName } from './support/data.js';
import { expectNowhere } from './support/secret.js';
import { expect, test } from './support/test.js';
import { drawn, hold, holdAnswer } from './support/timing.js';

test('a rename is seen before the server has answered, and a form that is being sent cannot be left', async ({
  page,
  server,
  signIn,
}) => {
  await create(server, await signIn('alice', 'editor'), 'OLD');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Edit OLD' }).click();
  await page.getByLabel('Name', { exact: true }).fill('NEW');
  const held = await hold(page, 'updateCredential');
  await page.getByRole('button', { name: 'Save' }).click();
  await held.arrived;
  await expect(page.locator('tbody th')).toHaveText(['NEW']);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog').getByRole('button', { name: 'Saving…' })).toBeVisible();
  await expectAccessible(page, 'saving');
  await held.letGo();
  await expect(page.getByText('Renamed to “NEW”.')).toBeVisible();
});

test('a deleted credential is gone before the server has answered; an added one is there only after', async ({
  page,
  server,
  signIn,
}) => {
  const token = await signIn('alice', 'editor');
  await create(server, token, 'GONE');
  await create(server, token, 'NEXT');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Delete GONE' }).click();
  await expect(page.getByText('Nothing is known to use it.')).toBeVisible();
  const deleting = await hold(page, 'deleteCredential');
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await deleting.arrived;
  await expect(page.getByRole('rowheader')).toHaveText(['NEXT']);
  await expect(page.getByRole('row', { name: /NEXT/ }), 'the focus goes to what took its place').toBeFocused();
  await deleting.letGo();
  await expect(page.getByText('Deleted “GONE”.')).toBeVisible();
  expect(await findByName(server, token, 'GONE')).toBeNull();

  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByLabel('Name', { exact: true }).fill('ADDED');
  await page.getByLabel('Value', { exact: true }).fill('a value');
  const adding = await hold(page, 'createCredential');
  await page.getByRole('button', { name: 'Save' }).click();
  await adding.arrived;
  await expect(page.locator('tbody th')).toHaveText(['NEXT']);
  await adding.letGo();
  await expect(page.getByRole('rowheader')).toHaveText(['ADDED', 'NEXT']);
});

test('what is not loaded yet has its place, and is told to be on its way', async ({ page, server, signIn }) => {
  await createMany(server, await signIn('alice', 'editor'), 60);
  const first = await hold(page, 'FirstPage');
  await page.goto(`${server.url}/credentials`);
  await first.arrived;
  await expect(page.getByRole('status').filter({ hasText: 'Loading…' })).toBeVisible();
  await expectAccessible(page, 'loading');
  await first.letGo();
  const next = await hold(page, 'NextPage');
  await page.getByRole('button', { name: 'Load more' }).click();
  await next.arrived;
  await expect(page.getByRole('button', { name: 'Loading…' })).toHaveAttribute('aria-busy', 'true');
  await next.letGo();
  await expect(page.getByRole('rowheader')).toHaveCount(60);
});

test('leaving the page asks while something was entered', async ({ page, server, signIn }) => {
  await signIn('alice', 'editor');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByLabel('Value', { exact: true }).fill('sk-half-way');
  const asked = page.waitForEvent('dialog');
  const leaving = page.close({ runBeforeUnload: true });
  const dialog = await asked;
  expect(dialog.type()).toBe('beforeunload');
  await dialog.dismiss();
  await leaving;
  await expect(page.getByLabel('Value', { exact: true })).toHaveValue('sk-half-way');
});

test('Esc while a form is being sent keeps it, and what was wrong with it', async ({ page, server, signIn }) => {
  await create(server, await signIn('alice', 'editor'), 'TAKEN');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByLabel('Name', { exact: true }).fill('TAKEN');
  await page.getByLabel('Value', { exact: true }).fill('sk-again');
  const held = await hold(page, 'createCredential');
  await page.getByRole('button', { name: 'Save' }).click();
  await held.arrived;
  for (let press = 0; press < 3; press += 1) {
    await page.keyboard.press('Escape');
  }
  await held.letGo();
  await expect(page.getByLabel('Name', { exact: true })).toHaveAccessibleDescription(
    /Another credential has this name/,
  );
  await expect(page.getByLabel('Value', { exact: true })).toHaveValue('sk-again');
});

test('what becomes of a form that a browser has closed meanwhile is told on the page', async ({
  page,
  server,
  signIn,
  watch,
}) => {
  await create(server, await signIn('alice', 'editor'), 'TAKEN');
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByLabel('Name', { exact: true }).fill('TAKEN');
  await page.getByLabel('Value', { exact: true }).fill('sk-again');
  const held = await hold(page, 'createCredential');
  await page.getByRole('button', { name: 'Save' }).click();
  await held.arrived;
  await page.getByRole('dialog').evaluate((dialog: HTMLDialogElement) => dialog.close());
  await expect(page.locator('dialog')).toHaveCount(0);
  await expectNowhere(page, watch, 'sk-again');
  await held.letGo();
  await expect(page.getByRole('alert')).toContainText('“TAKEN” was not saved. Another credential has this name');
  await expectNowhere(page, watch, 'sk-again');
});

test('a deleted row and a new name stay, whatever a load that began before brings', async ({
  page,
  server,
  signIn,
}) => {
  const token = await signIn('alice', 'editor');
  for (const name of ['GONE', 'OLD']) {
    await create(server, token, name);
  }
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('rowheader')).toHaveText(['GONE', 'OLD']);
  const reload = (): Promise<void> => page.evaluate(() => void window.dispatchEvent(new Event('online')));
  const answered = (): Promise<unknown> =>
    page.waitForResponse((response) => response.request().postData()?.includes('FirstPage') ?? false);

  await page.getByRole('button', { name: 'Delete GONE' }).click();
  await expect(page.getByText('Nothing is known to use it.')).toBeVisible();
  const deleting = await hold(page, 'deleteCredential');
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await deleting.arrived;
  const loaded = answered();
  await reload();
  await loaded;
  await deleting.letGo();
  await expect(page.getByText('Deleted “GONE”.')).toBeVisible();
  await expect(page.getByRole('rowheader')).toHaveText(['OLD']);
  await expect(page.getByRole('status').filter({ hasText: /^1 credential$/ })).toBeVisible();

  await page.getByRole('button', { name: 'Edit OLD' }).click();
  await page.getByLabel('Name', { exact: true }).fill('NEW');
  const late = await holdAnswer(page, 'FirstPage');
  await reload();
  await late.arrived;
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Renamed to “NEW”.')).toBeVisible();
  await late.letGo();
  await drawn(page);
  await expect(page.getByRole('rowheader')).toHaveText(['NEW']);
});

test('nothing moves for those who asked for that, and forced colours leave what colours tell', async ({
  page,
  server,
  signIn,
}) => {
  await signIn('alice', 'editor');
  await page.emulateMedia({ reducedMotion: 'reduce', forcedColors: 'active' });
  const held = await hold(page, 'FirstPage');
  await page.goto(`${server.url}/credentials`);
  await held.arrived;
  await expect(page.locator('.bar').first()).toHaveCSS('animation-name', 'none');
  await held.letGo();
  await expect(page.getByRole('heading', { name: 'No credentials yet' })).toBeVisible();
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByLabel('Name', { exact: true })).toHaveCSS('border-top-style', 'dashed');
  const show = page.getByRole('button', { name: 'Show' });
  await show.click();
  await page.getByLabel('Name', { exact: true }).focus();
  await expect(show, 'that it is pressed').toHaveCSS('outline-style', 'solid');
});
