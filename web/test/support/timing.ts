import type { Page } from '@playwright/test';

/** Holds the requests that contain a text back until they are let go. */
export async function hold(page: Page, text: string): Promise<{ arrived: Promise<void>; letGo: () => Promise<void> }> {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  let arrive = (): void => undefined;
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  await page.route('**/graphql', async (route) => {
    if (route.request().postData()?.includes(text)) {
      arrive();
      await released;
    }
    await route.continue();
  });
  const letGo = async (): Promise<void> => {
    release();
    await page.unrouteAll({ behavior: 'wait' });
  };
  return { arrived, letGo };
}

/** Two frames on: what came before is drawn, and observers have been told. */
export async function drawn(page: Page): Promise<void> {
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
}
