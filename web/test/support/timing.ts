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

/** Holds the next answer to a request that contains a text back: the server has read its data by then. */
export async function holdAnswer(page: Page, text: string): Promise<Awaited<ReturnType<typeof hold>>> {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  let arrive = (): void => undefined;
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  let isFirst = true;
  await page.route('**/graphql', async (route) => {
    if (!isFirst || !route.request().postData()?.includes(text)) {
      return route.continue();
    }
    isFirst = false;
    const response = await route.fetch();
    arrive();
    await released;
    // The page may have dropped it meanwhile.
    return route.fulfill({ response }).catch(() => undefined);
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
