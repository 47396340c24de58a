import { defineConfig } from '@playwright/test';
import tests from './playwright.config.js';

/** The pictures of the documentation. */
export default defineConfig(tests, {
  testDir: 'screenshots',
  testMatch: '*.screenshot.ts',
  workers: 1,
  use: { viewport: { width: 1240, height: 480 } },
});
