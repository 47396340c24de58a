import { AxeBuilder } from '@axe-core/playwright';
import { type Page, expect } from '@playwright/test';

/** How light the ground of a page is: 0 is black, 765 is white. */
async function lightnessOf(page: Page): Promise<number> {
  const colour = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  return colour
    .match(/\d+/g)!
    .slice(0, 3)
    .reduce((sum, part) => sum + Number(part), 0);
}

/** Looks for what keeps people out, by all rules of axe but those left out, in light and in dark, and that dark is dark. */
export async function expectAccessible(page: Page, state: string, leftOut: string[] = []): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const lightness = await lightnessOf(page);
    expect(colorScheme === 'dark' ? 765 - lightness : lightness, `${state} is ${colorScheme}`).toBeGreaterThan(600);
    const { violations, passes } = await new AxeBuilder({ page }).disableRules(leftOut).analyze();
    const found = violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary}`),
    );
    expect(found, `${state}, ${colorScheme}`).toEqual([]);
    expect(passes.length, 'axe has looked at something').toBeGreaterThan(5);
  }
  await page.emulateMedia({ colorScheme: 'light' });
}
