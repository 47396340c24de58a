import type { Page } from '@playwright/test';
import { expectAccessible } from './support/accessibility.js';
import { type Provider, startProvider } from './support/provider.js';
import { expect, test as base } from './support/test.js';

/** A server with a real OpenID Connect provider, each on a site of its own. */
const test = base.extend<{ provider: Provider; address: string }>({
  provider: async ({}, use) => {
    const provider = await startProvider();
    await use(provider);
    await provider.stop();
  },
  address: async ({ server, provider, watch, page }, use) => {
    await server.stop();
    // By name, not by number: to the browser this is another site than the provider's.
    const address = server.url.replace('127.0.0.1', 'localhost');
    server.options.push('--public-url', address, '--oidc-issuer', provider.issuer, '--oidc-client-id', 'credence');
    server.options.push('--oidc-role-claim', 'roles', '--oidc-label', 'Example Inc.');
    provider.serve(address);
    await server.start();
    // The provider's own pages want a font from elsewhere, and get none.
    await page.route('https://fonts.googleapis.com/**', (route) => route.abort());
    for (const origin of [address, provider.issuer, 'https://fonts.googleapis.com']) {
      watch.origins.add(origin);
    }
    await use(address);
  },
});

async function signInAtProvider(page: Page, name: string): Promise<void> {
  await page.getByPlaceholder('Enter any login').fill(name);
  await page.getByPlaceholder('and password').fill('any');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
}

test('people sign in at their provider, and come back to the view that they wanted', async ({ page, address }) => {
  await page.goto(`${address}/credentials?q=key`);
  await page.getByRole('link', { name: 'Sign in' }).click();
  await expect(page.getByRole('link', { name: 'Sign in with Example Inc.' })).toBeVisible();
  await expectAccessible(page, 'login with a provider');
  await page.getByRole('link', { name: 'Sign in with Example Inc.' }).click();
  await signInAtProvider(page, 'alice');
  await expect(page).toHaveURL(`${address}/credentials?q=key`);
  await expect(page.getByRole('banner')).toContainText('alice of the provider');
  await expect(page.getByRole('button', { name: 'Add', exact: true })).toBeVisible();
});

test('one who has no rights here is told so', async ({ page, address }) => {
  await page.goto(`${address}/login`);
  await page.getByRole('link', { name: 'Sign in with Example Inc.' }).click();
  await signInAtProvider(page, 'nobody');
  await expect(page.getByRole('alert')).toContainText('You are known, but may do nothing here.');
  await expect(page).toHaveURL(`${address}/login`);
  await expectAccessible(page, 'refused by a provider');
});

test('one who turns back at the provider is told so', async ({ page, address }) => {
  await page.goto(`${address}/login`);
  await page.getByRole('link', { name: 'Sign in with Example Inc.' }).click();
  await page.getByRole('link', { name: 'Cancel' }).click();
  await expect(page.getByRole('alert')).toContainText('Your provider did not let you in, or you went back.');
});
