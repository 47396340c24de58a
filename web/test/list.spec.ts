import type { Page, Request } from '@playwright/test';
import { expectAccessible } from './support/accessibility.js';
import { create, createMany, declare } from './support/data.js';
import { expect, test } from './support/test.js';
import { expectTargets } from './support/targets.js';
import { drawn, hold } from './support/timing.js';

/** Goes on with Tab to what has a name, and presses it with Enter. */
async function press(page: Page, name: string): Promise<void> {
  const focused = (): Promise<string | undefined> =>
    page.evaluate(() => document.activeElement?.ariaLabel ?? document.activeElement?.textContent?.trim());
  for (let stop = 0; stop < 150 && (await focused()) !== name; stop += 1) {
    await page.keyboard.press('Tab');
  }
  expect(await focused()).toBe(name);
  await page.keyboard.press('Enter');
}

test('rows are loaded page by page, and the focus goes to the first new one', async ({ page, server, signIn }) => {
  await createMany(server, await signIn('alice', 'editor'), 120);
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('status').filter({ hasText: '120 credentials, 25 shown' })).toBeVisible();
  await page.getByRole('button', { name: 'Load more' }).click();
  await expect(page.getByRole('rowheader')).toHaveCount(75);
  await expect(page.getByRole('row', { name: /KEY_0026/ })).toBeFocused();
  await page.getByRole('button', { name: 'Load more' }).click();
  await expect(page.getByRole('rowheader')).toHaveCount(120);
  await expect(page.getByRole('button', { name: 'Load more' })).toHaveCount(0);
});

test('what another tab changes leaves the rows that were loaded', async ({ page, context, server, signIn }) => {
  await createMany(server, await signIn('alice', 'editor'), 120);
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Load more' }).click();
  await expect(page.getByRole('rowheader')).toHaveCount(75);
  await page.getByRole('button', { name: 'Load more' }).click();
  await expect(page.getByRole('rowheader')).toHaveCount(120);
  const other = await context.newPage();
  await other.goto(`${server.url}/credentials?q=KEY_0120`);
  await other.getByRole('button', { name: 'Delete KEY_0120' }).click();
  await other.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('status').filter({ hasText: /^119 credentials$/ })).toBeVisible();
  await expect(page.getByRole('rowheader')).toHaveCount(119);
});

test('the search is in the address, waits for a pause, and is cleared by Esc', async ({ page, server, signIn }) => {
  const token = await signIn('alice', 'editor');
  await createMany(server, token, 12);
  await create(server, token, 'OPENAI_100%');
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('rowheader')).toHaveCount(13);
  let asked = 0;
  page.on('request', (request) => (asked += request.url().endsWith('/graphql') ? 1 : 0));
  await page.keyboard.press('/');
  await expect(page.getByRole('searchbox')).toBeFocused();
  await page.keyboard.type('Ai_100%');
  await expect(page.getByRole('rowheader')).toHaveText(['OPENAI_100%']);
  await expect(page.getByRole('status').filter({ hasText: '1 credential matches “Ai_100%”' })).toBeVisible();
  await expect(page).toHaveURL(`${server.url}/credentials?q=Ai_100%25`);
  expect(asked, 'one request for seven keys').toBe(1);

  await page.reload();
  await expect(page.getByRole('rowheader')).toHaveText(['OPENAI_100%']);
  await page.getByRole('searchbox').fill('nothing has this');
  await expect(page.getByRole('heading', { name: 'Nothing matches “nothing has this”' })).toBeVisible();
  await expectAccessible(page, 'no match');
  await page.getByRole('searchbox').press('Escape');
  await expect(page.getByRole('rowheader')).toHaveCount(13);
  await expect(page).toHaveURL(`${server.url}/credentials`);
});

test('an answer that a later search overtook is dropped', async ({ page, server, signIn }) => {
  const token = await signIn('alice', 'editor');
  await create(server, token, 'FIRST');
  await create(server, token, 'SECOND');
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('rowheader')).toHaveCount(2);
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  let isHeld = (): void => undefined;
  const holding = new Promise<void>((resolve) => (isHeld = resolve));
  await page.route('**/graphql', async (route) => {
    if (route.request().postData()?.includes('"query":"FIRST"')) {
      isHeld();
      await held;
    }
    await route.continue().catch(() => undefined);
  });
  const isFirst = (request: Request): boolean => request.postData()?.includes('"query":"FIRST"') ?? false;
  const settled = Promise.race([
    page.waitForEvent('requestfinished', isFirst),
    page.waitForEvent('requestfailed', isFirst),
  ]);
  await page.getByRole('searchbox').fill('FIRST');
  await holding;
  await page.getByRole('searchbox').fill('SECOND');
  await expect(page.getByRole('rowheader')).toHaveText(['SECOND']);
  release();
  await settled;
  await drawn(page);
  await expect(page.getByRole('rowheader')).toHaveText(['SECOND']);
});

test('a row tells of a credential what one may know, and nothing of its value', async ({ page, server, signIn }) => {
  const token = await signIn('alice', 'editor');
  await create(server, token, 'SHORT', 'a');
  await create(server, token, 'LONG', 'a value that is longer by far than the other one');
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('columnheader')).toHaveText([
    'ID',
    'Name ↑',
    'Owner',
    'Value',
    'Created',
    'Updated',
    'Last used',
    'Used by',
    'Operations',
  ]);
  const masks = await page.locator('td.value').evaluateAll((cells) => cells.map((cell) => cell.innerHTML));
  expect(masks).toHaveLength(2);
  expect(masks[0]).toContain('••••••••');
  expect(masks[1], 'the length is not told').toBe(masks[0]);

  const short = page.getByRole('row', { name: /SHORT/ });
  const timeOf = (label: string): Promise<string | null> =>
    short.locator(`td[data-label="${label}"] time`).getAttribute('datetime');
  expect(await timeOf('Updated')).toBe(await timeOf('Created'));
  await page.getByRole('button', { name: 'Updated' }).click();
  await expect(page.getByRole('rowheader')).toHaveText(['LONG', 'SHORT']);
  await short.getByRole('button', { name: 'Edit' }).click();
  await page.getByLabel('New value').fill('b');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Replaced the value of “SHORT”.')).toBeVisible();
  expect(Date.parse((await timeOf('Updated'))!)).toBeGreaterThan(Date.parse((await timeOf('Created'))!));
  await page.reload();
  await expect(page.getByRole('rowheader')).toHaveText(['SHORT', 'LONG']);
  await expect(page).toHaveURL(`${server.url}/credentials?order=updated-desc`);
});

test('the order is chosen in the head of the table, and is in the address', async ({ page, server, signIn }) => {
  const token = await signIn('alice', 'editor');
  for (const name of ['MIDDLE', 'FIRST', 'LAST']) {
    await create(server, token, name);
  }
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('rowheader')).toHaveText(['FIRST', 'LAST', 'MIDDLE']);
  await expect(page.getByRole('columnheader', { name: 'Name' })).toHaveAttribute('aria-sort', 'ascending');
  await page.getByRole('button', { name: 'Created' }).click();
  await expect(page.getByRole('rowheader')).toHaveText(['LAST', 'FIRST', 'MIDDLE']);
  await expect(page).toHaveURL(`${server.url}/credentials?order=created-desc`);
  await expect(page.getByRole('columnheader', { name: 'Created' })).toHaveAttribute('aria-sort', 'descending');
  await page.getByRole('button', { name: 'Created' }).click();
  await expect(page.getByRole('rowheader')).toHaveText(['MIDDLE', 'FIRST', 'LAST']);
  await page.reload();
  await expect(page.getByRole('rowheader')).toHaveText(['MIDDLE', 'FIRST', 'LAST']);
});

test('the ID is copied whole, and that is said', async ({ page, server, signIn }) => {
  const id = await create(server, await signIn('alice', 'editor'), 'OPENAI_KEY');
  await page.goto(`${server.url}/credentials`);
  const cell = page.getByRole('cell').filter({ has: page.getByTitle(id) });
  await expect(cell).toContainText(`${id.slice(0, 8)}…${id.slice(-4)}`);
  await page.getByRole('button', { name: 'Copy the ID of OPENAI_KEY' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'Copied the ID of “OPENAI_KEY”.' })).toBeVisible();
  await expectAccessible(page, 'table');
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(id);

  const notice = page.getByRole('status').getByText('Copied the ID of “OPENAI_KEY”.');
  const before = await notice.elementHandle();
  await page.getByRole('button', { name: 'Copy the ID of OPENAI_KEY' }).click();
  await expect.poll(() => before!.evaluate((element) => element.isConnected), 'it is said again').toBe(false);
  await expect(notice).toBeVisible();
});

test('times are told in words that are whole and go on, with the exact one as the title', async ({
  page,
  server,
  signIn,
}) => {
  await create(server, await signIn('alice', 'editor'), 'ANTHROPIC_STAGING_KEY');
  await page.clock.install();
  await page.setViewportSize({ width: 1220, height: 700 });
  await page.goto(`${server.url}/credentials`);
  const created = page.getByRole('cell').locator('time').first();
  await expect(created).toHaveText('just now');
  await expect(created).toHaveAttribute('title', new RegExp(`${new Date().getUTCFullYear()}`));
  for (const [minutes, words] of [
    [1, '1 minute ago'],
    [43, '44 minutes ago'],
    [26 * 60, '1 day ago'],
    [30 * 24 * 60, '1 month ago'],
  ] as const) {
    await page.clock.fastForward(minutes * 60_000);
    await expect(created).toHaveText(words);
    const cut = await page
      .locator('th, td')
      .evaluateAll((cells) =>
        cells.filter((cell) => cell.scrollWidth > cell.clientWidth).map((cell) => cell.innerHTML),
      );
    expect(cut, `cut off: ${words}`).toEqual([]);
  }
  const ends = await page.getByRole('rowheader').evaluate((cell) => {
    const ranges = [...cell.querySelector('span')!.childNodes].filter(
      (node) => node instanceof Text && node.data.trim(),
    );
    return ranges.map((node) => {
      const range = document.createRange();
      range.selectNodeContents(node);
      return range.getClientRects().length;
    });
  });
  expect(ends, 'no line ends within a word').toEqual([1, 1, 1]);
  expect((await page.getByRole('button', { name: 'Name' }).boundingBox())!.height, 'one line').toBeLessThan(32);
});

test('what is done and what fails is told in sight, however far down', async ({ page, server, signIn }) => {
  await createMany(server, await signIn('alice', 'editor'), 25);
  await page.goto(`${server.url}/credentials`);
  for (const [width, last] of [
    [1280, 'KEY_0025'],
    [360, 'KEY_0024'],
  ] as const) {
    await page.setViewportSize({ width, height: 740 });
    await page.getByRole('button', { name: `Copy the ID of ${last}` }).click();
    await expect(page.getByText(`Copied the ID of “${last}”.`)).toBeInViewport({ ratio: 1 });
    await page.route('**/graphql', (route) =>
      route.request().postData()?.includes('deleteCredential') ? route.abort() : route.continue(),
    );
    await page.getByRole('button', { name: `Delete ${last}` }).click();
    await expect(page.getByText('Nothing is known to use it.')).toBeVisible();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
    await expect(page.getByText(`It is not known whether “${last}” was deleted.`)).toBeInViewport({ ratio: 1 });
    await page.getByRole('button', { name: 'Dismiss' }).click();
    await page.unrouteAll({ behavior: 'wait' });
    await page.getByRole('button', { name: `Delete ${last}` }).click();
    await expect(page.getByText('Nothing is known to use it.')).toBeVisible();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
    await expect(page.getByText(`Deleted “${last}”.`)).toBeInViewport({ ratio: 1 });
  }
});

test('the count is of what was searched for, and a new credential counts when it matches', async ({
  page,
  server,
  signIn,
}) => {
  const token = await signIn('alice', 'editor');
  await create(server, token, 'FIRST');
  await create(server, token, 'SECOND');
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('rowheader')).toHaveCount(2);
  const held = await hold(page, '"query":"FIRST"');
  await page.getByRole('searchbox').fill('FIRST');
  await held.arrived;
  await page.getByRole('searchbox').pressSequentially('_');
  await held.letGo();
  await expect(page.getByRole('heading', { name: 'Nothing matches “FIRST_”' })).toBeVisible();
  await expect(page.getByRole('status').filter({ hasText: '0 credentials match “FIRST_”' })).toBeVisible();
  await page.getByRole('button', { name: 'Clear the search' }).click();
  await expect(page.getByRole('searchbox'), 'the focus is not lost').toBeFocused();

  await page.getByRole('searchbox').fill('first');
  await expect(page.getByRole('rowheader')).toHaveText(['FIRST']);
  for (const name of ['THIRD', 'FIRST_OF_ALL']) {
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByLabel('Name', { exact: true }).fill(name);
    await page.getByLabel('Value', { exact: true }).fill('a value');
    await page.getByRole('button', { name: 'Save' }).click();
    await expect(page.getByText(`Added “${name}”.`)).toBeVisible();
  }
  await expect(page.getByRole('rowheader')).toHaveText(['FIRST_OF_ALL', 'THIRD', 'FIRST']);
  await expect(page.getByRole('status').filter({ hasText: '2 credentials match “first”' })).toBeVisible();
});

test('when all rows that were loaded are deleted, the next ones come', async ({ page, server, signIn }) => {
  await createMany(server, await signIn('alice', 'editor'), 26);
  await page.route('**/graphql', (route) =>
    route.continue({ postData: (route.request().postData() ?? '').replace('"first":25', '"first":1') }),
  );
  await page.goto(`${server.url}/credentials`);
  await page.getByRole('button', { name: 'Delete KEY_0001' }).click();
  await expect(page.getByText('Nothing is known to use it.')).toBeVisible();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('rowheader')).toHaveText(['KEY_0002']);
});

test('an address with an order that is none has the usual one', async ({ page, server, signIn }) => {
  await create(server, await signIn('alice', 'editor'), 'ONLY');
  await page.goto(`${server.url}/credentials?order=constructor-asc`);
  await expect(page.getByRole('rowheader')).toHaveText(['ONLY']);
});

test('on a narrow screen rows are cards, and nothing is cut off', async ({ page, server, signIn }) => {
  const token = await signIn('alice', 'editor');
  const id = await create(server, token, `${'LONG_'.repeat(25)}`);
  await create(server, token, 'SHORT');
  await declare(server, id, 'support');
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('row', { name: /SHORT/ })).toBeVisible();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await page.getByLabel('Order').selectOption('Name, Z to A');
  await expect(page.getByRole('rowheader').first()).toHaveText('SHORT');
  await expectAccessible(page, 'cards');
  await page.getByRole('button', { name: 'Edit SHORT' }).click();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await expectAccessible(page, 'form on a narrow screen');

  await page.goto(`${server.url}/credentials?q=${'x'.repeat(120)}`);
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
});

test('everything is done with the keyboard alone', async ({ page, server, signIn }) => {
  await create(server, await signIn('alice', 'editor'), 'ONLY');
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('row', { name: /ONLY/ })).toBeVisible();
  await page.keyboard.press('/');
  const stops: string[] = [];
  for (let press = 0; press < 12 && stops.at(-1) !== 'Delete ONLY'; press += 1) {
    await page.keyboard.press('Tab');
    stops.push(
      await page.evaluate(
        () => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent?.trim() ?? '',
      ),
    );
  }
  expect(stops).toEqual(['Add', 'Name ↑', 'Created', 'Updated', 'Copy the ID of ONLY', 'Edit ONLY', 'Delete ONLY']);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await expect(page.getByText('Nothing is known to use it.')).toBeVisible();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(page.getByText('Deleted “ONLY”.')).toBeVisible();
  await expect(page.getByRole('searchbox')).toBeFocused();
});

test('Add, the order, copying, the uses and Load more need no mouse', async ({ page, server, signIn }) => {
  const token = await signIn('alice', 'editor');
  await createMany(server, token, 26);
  const id = await create(server, token, 'A_USED_ONE');
  await declare(server, id, 'support');
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('rowheader')).toHaveCount(25);
  await page.keyboard.press('/');
  await press(page, 'Add');
  await page.keyboard.type('B_TYPED');
  await page.keyboard.press('Tab');
  await page.keyboard.type('sk-typed');
  await press(page, 'Save');
  await expect(page.getByText('Added “B_TYPED”.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Add', exact: true })).toBeFocused();

  await press(page, 'Name ↑');
  await expect(page).toHaveURL(`${server.url}/credentials?order=name-desc`);
  await expect(page.getByRole('rowheader').first()).toHaveText('KEY_0026');
  await expect(page.getByRole('button', { name: 'Name' }), 'the focus stays').toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('rowheader').first()).toHaveText('A_USED_ONE');

  await press(page, 'Copy the ID of A_USED_ONE');
  await expect(page.getByText('Copied the ID of “A_USED_ONE”.')).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(id);
  await press(page, 'Used by 1: show what uses A_USED_ONE');
  await expect(page.getByRole('listitem').filter({ hasText: 'support' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('button', { name: /^Used by 1/ })).toBeFocused();
  await press(page, 'Load more');
  await expect(page.getByRole('rowheader')).toHaveCount(28);
  await expect(page.getByRole('row', { name: /KEY_0024/ })).toBeFocused();
});

test('nothing jumps while the page loads', async ({ page, server, signIn }) => {
  await createMany(server, await signIn('alice', 'editor'), 60);
  await page.addInitScript(() => {
    const shifts: number[] = [];
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        shifts.push((entry as unknown as { value: number }).value);
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
  const held = await hold(page, 'FirstPage');
  await page.goto(`${server.url}/credentials`);
  await held.arrived;
  await expect(page.getByRole('button', { name: 'Sign out' })).toBeVisible();
  await drawn(page);
  await held.letGo();
  await expect(page.getByRole('rowheader')).toHaveCount(25);
  await drawn(page);
  const shifts = await page.evaluate(() => (window as unknown as { shifts: number[] }).shifts);
  expect(shifts).toEqual([]);
});

test('targets are 24 pixels or more', async ({ page, server, signIn }) => {
  const id = await create(server, await signIn('alice', 'editor'), 'OPENAI_KEY');
  await declare(server, id, 'support');
  await page.goto(`${server.url}/credentials`);
  await expect(page.getByRole('row', { name: /OPENAI_KEY/ })).toBeVisible();
  await expectTargets(page, 'table');
  await page.getByRole('button', { name: /^Used by 1/ }).click();
  await expect(page.getByRole('listitem')).toHaveCount(1);
  await expectTargets(page, 'uses');
  await page.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'Delete OPENAI_KEY' }).click();
  await expect(page.getByLabel('Type OPENAI_KEY')).toBeVisible();
  await expectTargets(page, 'delete dialog');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByLabel('Value', { exact: true }).fill('a value');
  await expectTargets(page, 'add dialog');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('button', { name: 'Discard' })).toBeVisible();
  await expectTargets(page, 'discard question');
  await page.goto(`${server.url}/login`);
  await expect(page.getByText('You are signed in as alice.')).toBeVisible();
  await expectTargets(page, 'login');
});
