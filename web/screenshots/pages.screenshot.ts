import type { Locator, Page } from '@playwright/test';
import { local } from '../build/settings.js';
import { create, declare } from '../test/support/data.js';
import type { Server } from '../test/support/server.js';
import { expect, test } from '../test/support/test.js';

interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

async function picture(page: Page, name: string, clip?: Rectangle): Promise<void> {
  const path = local(`../docs/screenshots/${name}.png`);
  await page.screenshot({ path, caret: 'hide', animations: 'disabled', ...(clip ? { clip } : {}) });
}

/** The dialog, with some of the page around it. */
async function pictureOfDialog(page: Page, dialog: Locator, name: string): Promise<void> {
  const { x, y, width, height } = (await dialog.boundingBox())!;
  await picture(page, name, { x: x - 40, y: y - 12, width: width + 80, height: height + 24 });
}

/** What a small team might have. Returns the ID of the one that is in use. */
async function fill(server: Server, token: string): Promise<string> {
  const bob = await server.token('bob', 'editor');
  await create(server, token, 'MCP_CRM_TOKEN');
  await create(server, bob, 'SUPPORT_PROVIDER_KEY');
  await create(server, token, 'ANTHROPIC_STAGING_KEY');
  const id = await create(server, token, 'OPENAI_PROD_API_KEY');
  await declare(server, id, 'support');
  return id;
}

test('the page of credentials', async ({ page, server, signIn }) => {
  await fill(server, await signIn('alice', 'admin'));
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('rowheader')).toHaveCount(4);
  await picture(page, 'credentials-light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await picture(page, 'credentials-dark');
  await page.emulateMedia({ colorScheme: 'light' });

  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByLabel('Name', { exact: true }).fill('OPENAI_PROD_API_KEY');
  await page.getByLabel('Value', { exact: true }).fill('not a real secret');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByLabel('Name', { exact: true })).toHaveAttribute('aria-invalid', 'true');
  await pictureOfDialog(page, page.getByRole('dialog'), 'add');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Discard' }).click();

  await page.getByRole('button', { name: 'Delete OPENAI_PROD_API_KEY' }).click();
  await expect(page.getByLabel('Type OPENAI_PROD_API_KEY')).toBeVisible();
  await pictureOfDialog(page, page.getByRole('alertdialog'), 'delete');
});

test('the picker', async ({ page, server, signIn }) => {
  await fill(server, await signIn('alice', 'admin'));
  await page.setViewportSize({ width: 1240, height: 540 });
  await page.goto(`${server.url}/ui/picker-example`);
  await page.getByRole('combobox').fill('key');
  await expect(page.getByRole('option')).toHaveCount(3);
  await page.keyboard.press('ArrowDown');
  await picture(page, 'picker');
});

test('the explorer', async ({ page, server, signIn }) => {
  await fill(server, await signIn('alice', 'admin'));
  await page.setViewportSize({ width: 860, height: 440 });
  await page.goto(`${server.url}/graphiql`);
  await page.getByRole('region', { name: 'Query Editor' }).getByText('totalCount').click();
  await page.keyboard.press('Control+Enter');
  await expect(page.getByRole('region', { name: 'Result Window' })).toContainText('ANTHROPIC_STAGING_KEY');
  await page.mouse.move(0, 0);
  await expect(page.locator('.CodeMirror-info')).toHaveCount(0);
  await picture(page, 'graphiql');
});
