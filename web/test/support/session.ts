import { type Page, expect } from '@playwright/test';
import type { Server } from './server.js';

/** Ends the session as another program would: the browser keeps the cookie. */
export async function endElsewhere(page: Page, server: Server): Promise<void> {
  const cookies = await page.context().cookies();
  const response = await fetch(`${server.url}/session`, {
    method: 'DELETE',
    headers: { Origin: server.url, Cookie: cookies.map(({ name, value }) => `${name}=${value}`).join('; ') },
  });
  expect(response.status).toBe(204);
}
