import type { Page } from '@playwright/test';
import { expectAccessible } from './support/accessibility.js';
import { create, createMany, findByName, resolve } from './support/data.js';
import { HostPage } from './support/host-page.js';
import { expectNowhere } from './support/secret.js';
import { Server } from './support/server.js';
import { expect, test as base } from './support/test.js';
import { hold } from './support/timing.js';

const FORM = `<form method="post" action="/save">
  <credential-picker name="api_key" label="Credential" required></credential-picker>
  <button>Save</button> <button type="reset">Reset</button>
</form>`;

const test = base.extend<{ host: HostPage }>({
  host: async ({}, use) => {
    const host = await HostPage.open();
    await use(host);
    await host.close();
  },
  server: async ({ host }, use) => {
    const server = await Server.start('--cors-origin', host.origin, '--cors-origin', host.sameSiteOrigin);
    host.pickerUrls = [`${server.url}/ui/credential-picker.js`];
    host.body = FORM;
    await use(server);
    await server.remove();
  },
});

test.beforeEach(({ watch, host }) => void watch.origins.add(host.origin).add(host.sameSiteOrigin));

async function eventsOf(page: Page): Promise<{ type: string; detail?: unknown }[]> {
  return page.evaluate(() => (window as unknown as { events: { type: string }[] }).events);
}

test('a form of another site chooses a credential, and its ID is sent with the form', async ({
  page,
  server,
  host,
}) => {
  host.token = await server.token('alice', 'editor');
  await createMany(server, host.token, 25);
  const id = await create(server, host.token, 'OPENAI_PROD_API_KEY');
  await page.goto(host.origin);
  const field = page.getByRole('combobox', { name: 'Credential' });

  await page.getByRole('button', { name: 'Save' }).click();
  expect(host.saved, 'a required field that is empty keeps the form').toEqual([]);
  await expect(field).toBeFocused();

  await field.click();
  await expect(page.getByRole('option')).toHaveCount(20);
  await expect(page.getByRole('status')).toHaveText('26 credentials, the first 20 listed');
  await expectAccessible(page, 'picker open');
  await field.pressSequentially('openai');
  await expect(page.getByRole('option')).toHaveText(['OPENAI_PROD_API_KEY']);
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('option')).toHaveAttribute('aria-selected', 'true');
  await expectAccessible(page, 'picker with an active option');
  await page.keyboard.press('Enter');
  await expect(field).toHaveValue('OPENAI_PROD_API_KEY');
  await expect(page.getByRole('option')).toHaveCount(0);
  expect((await eventsOf(page)).map(({ type }) => type)).toEqual(['input', 'change']);

  const saved = page.waitForResponse(`${host.origin}/save`);
  await page.getByRole('button', { name: 'Save' }).click();
  await saved;
  expect(host.saved).toEqual([{ api_key: id }]);
});

test('a credential that is added in the form is chosen, and its value goes nowhere else', async ({
  page,
  server,
  host,
  watch,
}) => {
  host.token = await server.token('alice', 'editor');
  await page.goto(host.origin);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Add credential' });
  await expect(dialog.getByLabel('Name', { exact: true })).toBeFocused();
  await expectAccessible(page, 'picker dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('MCP_CRM_TOKEN');
  await page.keyboard.press('Enter');
  await expect(dialog.getByLabel('Value', { exact: true }), 'Enter sends the dialog, not the form').toBeFocused();
  await dialog.getByLabel('Value', { exact: true }).fill('sk-inline');
  await page.keyboard.press('Control+Enter');
  await expect(dialog).toBeHidden();
  await expect(page.getByRole('combobox')).toHaveValue('MCP_CRM_TOKEN');
  await expect(page.getByRole('combobox')).toBeFocused();

  const { id } = (await findByName(server, host.token, 'MCP_CRM_TOKEN'))!;
  expect(await resolve(server, id)).toBe('sk-inline');
  expect(await eventsOf(page), 'the host hears of the choice, and of no key that was typed').toEqual([
    { type: 'credential-created', detail: { id, name: 'MCP_CRM_TOKEN' } },
    { type: 'input' },
    { type: 'change' },
  ]);
  await expectNowhere(page, watch, 'sk-inline');
  expect(host.saved).toEqual([]);
  const saved = page.waitForResponse(`${host.origin}/save`);
  await page.getByRole('button', { name: 'Save' }).click();
  await saved;
  expect(host.saved).toEqual([{ api_key: id }]);
});

test('a name that is taken is told in the dialog of the picker', async ({ page, server, host }) => {
  host.token = await server.token('alice', 'editor');
  await create(server, host.token, 'TAKEN');
  await page.goto(host.origin);
  await page.getByRole('combobox').fill('taken');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  const name = page.getByLabel('Name', { exact: true });
  await expect(name, 'what was searched for is the first draft of the name').toHaveValue('taken');
  await page.getByLabel('Value', { exact: true }).fill('sk-again');
  await page.getByRole('button', { name: 'Save' }).last().click();
  await expect(name).toHaveAccessibleDescription(/Another credential has this name/);
  await expectAccessible(page, 'picker dialog with an error');
});

test('cookies never go to another origin, even to one of the same site where the browser has a session', async ({
  page,
  server,
  host,
  signIn,
}) => {
  host.token = await signIn('alice', 'editor');
  const asked = page.waitForRequest(`${server.url}/graphql`);
  await page.goto(host.sameSiteOrigin);
  await page.getByRole('combobox').click();
  const headers = await (await asked).allHeaders();
  expect(headers['authorization']).toBe(`Bearer ${host.token}`);
  expect(headers['cookie']).toBeUndefined();
  // A browser hides an answer that was asked for with cookies from a page that the server allows none.
  await expect(page.getByRole('status')).toHaveText('No credential matches.');
});

test('without getToken the picker of another site asks nothing', async ({ page, server, host, watch }) => {
  host.token = await server.token('alice', 'editor');
  host.body = '<form><credential-picker label="Credential"></credential-picker></form>';
  await page.route('**/host.js', (route) => route.fulfill({ contentType: 'text/javascript', body: '' }));
  await page.goto(host.origin);
  await page.getByRole('combobox').click();
  await expect(page.getByRole('status')).toHaveText('Sign in to choose a credential.');
  await page.keyboard.press('ArrowDown');
  expect(watch.requests.filter((url) => url.endsWith('/graphql'))).toEqual([]);
});

test('one who may not add credentials sees no Add', async ({ page, server, host }) => {
  const id = await create(server, await server.token('alice', 'editor'), 'HERS');
  host.token = await server.token('vera', 'viewer');
  host.body = `<form><credential-picker name="api_key" label="Credential" value="${id}"></credential-picker></form>`;
  const refused = page.waitForResponse(async (response) => (await response.text()).includes('FORBIDDEN'));
  await page.goto(host.origin);
  await refused;
  await expect(page.getByRole('combobox')).toHaveValue('HERS');
  await expect(page.getByRole('button', { name: 'Add' })).toHaveCount(0);
});

test('an ID that leads nowhere is told; None, reset and disabled work as in any field', async ({
  page,
  server,
  host,
}) => {
  host.token = await server.token('alice', 'editor');
  const id = await create(server, host.token, 'THERE');
  const stale = '00000000-0000-4000-8000-000000000000';
  host.body = `<form method="post" action="/save">
    <fieldset>
      <legend>Keys</legend>
      <credential-picker name="stale" label="Stale" value="${stale}"></credential-picker>
      <label for="good">Good</label> <credential-picker id="good" name="good" value="${id}"></credential-picker>
    </fieldset>
    <button type="reset">Reset</button>
  </form>`;
  await page.goto(host.origin);
  const form = page.locator('form');
  const sent = (): Promise<Record<string, FormDataEntryValue>> =>
    form.evaluate((element: HTMLFormElement) => Object.fromEntries(new FormData(element)));
  const staleField = page.getByRole('combobox', { name: 'Stale' });
  const goodField = page.getByRole('combobox', { name: 'Good' });
  await expect(staleField).toHaveValue('Missing credential 00000000…');
  await expect(staleField).toHaveAccessibleDescription('No credential has this ID any more.');
  await expect(goodField).toHaveValue('THERE');
  await expectAccessible(page, 'missing credential');
  expect(await sent()).toEqual({ stale, good: id });

  await goodField.click();
  await page.getByRole('option', { name: 'None' }).click();
  expect(await sent()).toEqual({ stale, good: '' });
  await staleField.click();
  await page.getByRole('option', { name: 'THERE' }).click();
  expect(await sent()).toEqual({ stale: id, good: '' });
  await page.getByRole('button', { name: 'Reset' }).click();
  expect(await sent()).toEqual({ stale, good: id });
  await expect(goodField).toHaveValue('THERE');

  await page.locator('fieldset').evaluate((fieldset: HTMLFieldSetElement) => (fieldset.disabled = true));
  await expect(goodField).toBeDisabled();
  expect(await sent()).toEqual({});
});

test('Esc closes the list and keeps the choice, and a script may set the value', async ({ page, server, host }) => {
  host.token = await server.token('alice', 'editor');
  const first = await create(server, host.token, 'FIRST');
  await create(server, host.token, 'SECOND');
  await page.goto(host.origin);
  const field = page.getByRole('combobox');
  await page.locator('credential-picker').evaluate((picker, id) => Object.assign(picker, { value: id }), first);
  await expect(field).toHaveValue('FIRST');
  await field.click();
  await field.fill('sec');
  await expect(page.getByRole('option')).toHaveText(['SECOND']);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('option')).toHaveCount(0);
  await expect(field).toHaveValue('FIRST');
  expect(await eventsOf(page), 'neither a script nor Esc is a choice of the person').toEqual([]);
  await field.fill('sec');
  await expect(page.getByRole('status')).toHaveText('1 credential');
  await page.keyboard.press('Enter');
  await expect(field, 'Enter takes the only match').toHaveValue('SECOND');
});

test('a script that is loaded twice changes nothing', async ({ page, server, host }) => {
  host.token = await server.token('alice', 'editor');
  await create(server, host.token, 'ONLY');
  host.pickerUrls.push(`${server.url}/ui/credential-picker.js?again`);
  await page.goto(host.origin);
  await page.getByRole('combobox').click();
  await expect(page.getByRole('option')).toHaveText(['ONLY']);
});

test('a server that is gone, or a token that is not good, is told at the field', async ({ page, server, host }) => {
  host.token = 'not-a-token';
  await page.goto(host.origin);
  await page.getByRole('combobox').click();
  await expect(page.getByRole('status')).toHaveText('Sign in to choose a credential.');
  await expect(page.getByRole('button', { name: 'Add' })).toHaveCount(0);
  await page.keyboard.press('Escape');
  host.token = await server.token('alice', 'editor');
  await page.getByRole('combobox').click();
  await expect(page.getByRole('button', { name: 'Add' }), 'a good token is enough').toBeVisible();
  await page.keyboard.press('Escape');
  await server.stop();
  await page.getByRole('combobox').click();
  await expect(page.getByRole('status')).toHaveText('The server cannot be reached.');
  await expectAccessible(page, 'picker without a server');
});

test('the example page works by the session alone', async ({ page, server, signIn }) => {
  const id = await create(server, await signIn('alice', 'editor'), 'OPENAI_KEY');
  await page.goto(`${server.url}/ui/picker-example`);
  await page.getByRole('combobox', { name: 'Credential' }).click();
  await page.getByRole('option', { name: 'OPENAI_KEY' }).click();
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText(`api_key: ${id}`)).toBeVisible();
  await expectAccessible(page, 'example page');
});

test('whether a choice is missing is known as soon as the value is set', async ({ page, server, host }) => {
  host.token = await server.token('alice', 'editor');
  const id = await create(server, host.token, 'FIRST');
  await page.goto(host.origin);
  const picker = page.locator('credential-picker');
  await expect(page.getByRole('combobox')).toBeVisible();
  const validity = await picker.evaluate((element, value) => {
    const field = element as HTMLInputElement;
    return [value, ''].map((text) => {
      field.value = text;
      return field.checkValidity();
    });
  }, id);
  expect(validity).toEqual([true, false]);
});

test('the option that the arrow keys are at stays, whatever the search brings', async ({ page, server, host }) => {
  host.token = await server.token('alice', 'editor');
  await create(server, host.token, 'MIDDLE');
  await page.goto(host.origin);
  const field = page.getByRole('combobox');
  await field.click();
  await expect(page.getByRole('option')).toHaveText(['MIDDLE']);
  await page.keyboard.press('Escape');
  await create(server, host.token, 'FIRST');
  const held = await hold(page, 'totalCount');
  await field.click();
  await held.arrived;
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('option', { selected: true })).toHaveText('MIDDLE');
  await held.letGo();
  await expect(page.getByRole('option')).toHaveText(['FIRST', 'MIDDLE']);
  await expect(page.getByRole('option', { selected: true })).toHaveText('MIDDLE');
  await page.keyboard.press('Enter');
  await expect(field).toHaveValue('MIDDLE');
});

test('the host hears no key of the dialog, and leaving it brings the focus back to Add', async ({
  page,
  server,
  host,
}) => {
  host.token = await server.token('alice', 'editor');
  await page.goto(host.origin);
  const add = page.getByRole('button', { name: 'Add', exact: true });
  await add.click();
  await page.evaluate(() => {
    for (const name of ['keydown', 'keypress', 'keyup', 'beforeinput']) {
      document.addEventListener(name, ({ type }) => (window as unknown as { events: unknown[] }).events.push({ type }));
    }
  });
  await page.getByLabel('Value', { exact: true }).press('s');
  await page.keyboard.press('Backspace');
  expect(await eventsOf(page)).toEqual([]);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toBeHidden();
  await expect(add).toBeFocused();
});

test('the list is whole in a dialog of the host, and above the field where there is no room below', async ({
  page,
  server,
  host,
}) => {
  host.token = await server.token('alice', 'editor');
  await createMany(server, host.token, 20);
  host.body = `<dialog><p>A model</p>${FORM}</dialog>`;
  await page.goto(host.origin);
  await page
    .locator('dialog')
    .first()
    .evaluate((dialog: HTMLDialogElement) => dialog.showModal());
  const field = page.getByRole('combobox');
  for (const [height, isBelow] of [
    [900, true],
    [360, false],
  ] as const) {
    await page.setViewportSize({ width: 800, height });
    // The dialog stands at the lower edge of the low window.
    await page.evaluate(
      (top) => {
        const { style } = document.querySelector('dialog')!;
        style.margin = '0 auto';
        style.top = top;
      },
      isBelow ? '20px' : '190px',
    );
    await field.click();
    await expect(page.getByRole('option')).toHaveCount(20);
    const [list, box] = [(await page.getByRole('listbox').boundingBox())!, (await field.boundingBox())!];
    expect(list.y > box.y).toBe(isBelow);
    expect(list.y).toBeGreaterThanOrEqual(0);
    expect(list.y + list.height).toBeLessThanOrEqual(height);
    const seen = await page.evaluate(
      ([x, y]) => document.elementFromPoint(x!, y!)?.localName,
      [list.x + 20, isBelow ? list.y + list.height - 10 : list.y + 10],
    );
    expect(seen, 'nothing cuts the list off').toBe('credential-picker');
    await page.keyboard.press('Escape');
    await expect(page.getByRole('option')).toHaveCount(0);
  }
});

test('a field that is emptied and left chooses none; one that is disabled closes its list', async ({
  page,
  server,
  host,
}) => {
  host.token = await server.token('alice', 'editor');
  const id = await create(server, host.token, 'FIRST');
  host.body = `<form><credential-picker name="key" label="Credential" value="${id}"></credential-picker></form>`;
  await page.goto(host.origin);
  const field = page.getByRole('combobox');
  const picker = page.locator('credential-picker');
  await expect(field).toHaveValue('FIRST');
  await field.fill('');
  await page.keyboard.press('Tab');
  expect(await picker.evaluate((element) => (element as HTMLInputElement).value)).toBe('');
  expect((await eventsOf(page)).map(({ type }) => type)).toEqual(['input', 'change']);
  await expect(field).toHaveAttribute('aria-expanded', 'false');
  await field.focus();
  await page.keyboard.press('Alt+ArrowDown');
  await expect(page.getByRole('option')).toHaveText(['None', 'FIRST']);
  await expect(field).toHaveAttribute('aria-expanded', 'true');
  await picker.evaluate((element) => ((element as HTMLInputElement).disabled = true));
  await expect(page.getByRole('option')).toHaveCount(0);
});
