import { defineConfig } from '@playwright/test';
import tests from './playwright.config.js';

/** What is measured, by a command and not by the tests: figures depend on the machine. */
export default defineConfig(tests, { testDir: 'measure', testMatch: '*.measure.ts', workers: 1, timeout: 180_000 });
