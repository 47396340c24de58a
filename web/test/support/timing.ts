import type { APIResponse, Page, Route } from '@playwright/test';

/** What is held back: that it has come so far, and what lets it go on. */
export interface Held {
  arrived: Promise<void>;
  letGo: () => Promise<void>;
}

/** Holds the requests that contain a text back until they are let go. */
export async function hold(page: Page, text: string): Promise<Held> {
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

/** Holds the next answer to a request that contains a text back: the server has done by then what it asks for. */
async function holdNext(
  page: Page,
  text: string,
  finish: (route: Route, response: APIResponse) => Promise<void>,
): Promise<Held> {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  let arrive = (): void => undefined;
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  let isFirst = true;
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  await page.route('**/graphql', async (route) => {
    if (!isFirst || !route.request().postData()?.includes(text)) {
      return route.continue();
    }
    isFirst = false;
    const response = await route.fetch();
    arrive();
    await released;
    // The page may have dropped it meanwhile.
    await finish(route, response).catch(() => undefined);
    end();
  });
  // The route stays: while one is taken away, what the page asks for next may fail.
  const letGo = (): Promise<void> => {
    release();
    return ended;
  };
  return { arrived, letGo };
}

/** Holds the next answer to a request that contains a text back. */
export function holdAnswer(page: Page, text: string): Promise<Held> {
  return holdNext(page, text, (route, response) => route.fulfill({ response }));
}

/** Loses the next answer to a request that contains a text, once it is let go: the page never hears what came of it. */
export function loseAnswer(page: Page, text: string): Promise<Held> {
  return holdNext(page, text, (route) => route.abort());
}

/** Two frames on: what came before is drawn, and observers have been told. */
export async function drawn(page: Page): Promise<void> {
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
}
