import { type Page, expect } from '@playwright/test';

const MINIMUM_PIXELS = 24;

/** Expects that all that is pressed is 24 pixels wide and high, or more (WCAG 2.2, 2.5.8). */
export async function expectTargets(page: Page, state: string): Promise<void> {
  const targets = page.locator('button, input, select, textarea, a, [role=option]').filter({ visible: true });
  const boxes = await targets.evaluateAll((elements) =>
    elements.map((element) => {
      const { width, height } = element.getBoundingClientRect();
      return { name: element.ariaLabel ?? element.textContent?.trim() ?? '', least: Math.min(width, height) };
    }),
  );
  expect(boxes.length, state).toBeGreaterThan(0);
  expect(
    boxes.filter(({ least }) => least < MINIMUM_PIXELS),
    state,
  ).toEqual([]);
}
