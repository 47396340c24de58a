import { type Page, expect } from '@playwright/test';
import type { Watch } from './watch.js';

/** Where a page could keep a text: its document with all shadow trees and fields, its address and history, its storage. */
async function placesOf(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const texts: string[] = [location.href, JSON.stringify(history.state), document.title, document.cookie];
    const visit = (root: Document | ShadowRoot): void => {
      texts.push(root instanceof Document ? root.documentElement.outerHTML : root.innerHTML);
      for (const element of root.querySelectorAll('*')) {
        if (element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement) {
          texts.push(element.value, element.defaultValue);
        }
        if (element.shadowRoot) {
          visit(element.shadowRoot);
        }
      }
    };
    visit(document);
    for (const storage of [localStorage, sessionStorage]) {
      texts.push(JSON.stringify({ ...storage }));
    }
    const entries =
      'navigation' in window ? (window.navigation as unknown as { entries(): { url: string }[] }).entries() : [];
    texts.push(...entries.map(({ url }) => url));
    for (const { name } of await indexedDB.databases()) {
      texts.push(`database ${name}`);
    }
    texts.push(...(await caches.keys()));
    return texts.join('\n');
  });
}

/** Expects that nothing of the page holds a secret any more: not the document, address, history, storage or console. */
export async function expectNowhere(page: Page, watch: Watch, secret: string): Promise<void> {
  expect(await placesOf(page)).not.toContain(secret);
  expect(watch.consoleTexts.join('\n')).not.toContain(secret);
  expect(watch.requests.join('\n')).not.toContain(secret);
  expect(watch.requests.join('\n')).not.toContain(encodeURIComponent(secret));
}
