import { type Page, test as base } from '@playwright/test';
import { type Role, Server } from './server.js';
import { Watch } from './watch.js';

export interface Fixtures {
  server: Server;
  watch: Watch;
  /** Signs the browser in, as the page `/login` does. Returns the token. */
  signIn: (subject: string, role: Role, page?: Page) => Promise<string>;
}

/** Begins a session with a token, and leaves the cookie in the page's browser. */
async function beginSession(page: Page, server: Server, token: string): Promise<void> {
  const response = await page.request.post(`${server.url}/session`, {
    data: { token },
    headers: { Origin: server.url },
  });
  if (!response.ok()) {
    throw new Error(`The session was refused with ${response.status()}: ${await response.text()}`);
  }
}

/** A test with a server of its own, whose pages are watched. */
export const test = base.extend<Fixtures>({
  server: async ({}, use) => {
    const server = await Server.start();
    await use(server);
    await server.remove();
  },
  watch: [
    async ({ context, server }, use) => {
      const watch = new Watch();
      watch.origins.add(server.url);
      await watch.over(context);
      await use(watch);
      watch.expectQuiet();
    },
    { auto: true },
  ],
  signIn: async ({ server, page }, use) => {
    await use(async (subject, role, target = page) => {
      const token = await server.token(subject, role);
      await beginSession(target, server, token);
      return token;
    });
  },
});

export { expect } from '@playwright/test';
