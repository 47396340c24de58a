import { defineConfig } from '@playwright/test';
import { browser } from './test/support/browser.js';

/** The tests: Debian's Chromium against the command that `cargo build` makes. Each test has a server of its own. */
export default defineConfig({
  testDir: 'test',
  testMatch: '*.spec.ts',
  fullyParallel: true,
  workers: 2,
  retries: 0,
  forbidOnly: process.env['CI'] !== undefined,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: [['list']],
  use: browser,
});
