import { readFile, stat } from 'node:fs/promises';
import { expect, test } from '@playwright/test';
import { local } from '../build/settings.js';

const PAGE_LIMIT_BYTES = 25_000;
const PICKER_LIMIT_BYTES = 20_000;

/** The bytes that a browser gets for a file: the compressed ones, where there are any. */
async function sizeOf(path: string): Promise<number> {
  const compressed = await stat(local(`dist/${path}.br`)).catch(() => undefined);
  return (compressed ?? (await stat(local(`dist/${path}`)))).size;
}

test('the page of credentials is under 25 KB, with all that it loads', async () => {
  const html = await readFile(local('dist/credentials.html'), 'utf8');
  const loaded = [...html.matchAll(/(?:src|href)="\/(ui\/[^"]+)"/g)].map(([, path]) => path!);
  expect(loaded.filter((path) => path.endsWith('.js')).length).toBeGreaterThan(0);
  expect(loaded.filter((path) => path.endsWith('.css')).length).toBeGreaterThan(0);
  const sizes = await Promise.all(['credentials.html', ...loaded].map(sizeOf));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`The page is ${total} bytes, compressed.`);
  expect(total).toBeLessThan(PAGE_LIMIT_BYTES);
});

test('the picker is under 20 KB, and one file', async () => {
  const size = await sizeOf('ui/credential-picker.js');
  console.log(`The picker is ${size} bytes, compressed.`);
  expect(size).toBeLessThan(PICKER_LIMIT_BYTES);
  expect(await readFile(local('dist/ui/credential-picker.js'), 'utf8')).not.toMatch(
    /\bimport\s*[({"']|\bfrom\s*["']\.{0,2}\//,
  );
});

test('the explorer holds no font, and no page holds anything inline', async () => {
  for (const page of ['credentials', 'login', 'graphiql', 'ui/picker-example']) {
    const html = await readFile(local(`dist/${page}.html`), 'utf8');
    expect(html, page).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:/);
    for (const [, path] of html.matchAll(/href="\/(ui\/[^"]+\.css)"/g)) {
      expect(await readFile(local(`dist/${path!}`), 'utf8'), path).not.toContain('@font-face');
    }
  }
});

test('the notices name what is bundled', async () => {
  const notices = await readFile(local('dist/third-party-licenses.txt'), 'utf8');
  for (const name of ['lit', 'lit-html', 'graphiql', 'react', 'codemirror', 'graphql-ws']) {
    expect(notices).toMatch(new RegExp(`^## ${name} - `, 'm'));
  }
});
