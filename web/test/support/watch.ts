import { type BrowserContext, expect } from '@playwright/test';

/**
 * Watches all pages of a context from their first script on: what breaks their security policy, where they send requests
 * and open WebSockets, what they write to the console.
 */
export class Watch {
  readonly violations: string[] = [];
  readonly requests: string[] = [];
  readonly consoleTexts: string[] = [];
  readonly errors: string[] = [];
  /** The origins that the pages may ask. */
  readonly origins = new Set<string>();

  async over(context: BrowserContext): Promise<void> {
    await context.exposeBinding('tellViolation', (_, violation: string) => void this.violations.push(violation));
    await context.addInitScript(() => {
      const tell = (window as unknown as { tellViolation: (text: string) => void }).tellViolation;
      document.addEventListener('securitypolicyviolation', (event) => {
        tell(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`);
      });
    });
    context.on('request', (request) => this.requests.push(request.url()));
    context.on('page', (page) => page.on('websocket', (socket) => this.requests.push(socket.url())));
    context.on('console', (message) => this.consoleTexts.push(message.text()));
    context.on('weberror', (error) => this.errors.push(error.error().stack ?? error.error().message));
  }

  /** What holds in each test: no violation, no request to another origin, no error that nobody caught. */
  expectQuiet(): void {
    expect(this.violations, 'violations of the security policy').toEqual([]);
    expect(this.errors, 'errors that nobody caught').toEqual([]);
    const strangers = this.requests.filter(
      (url) => !/^(data|blob|about):/.test(url) && !this.origins.has(new URL(url.replace(/^ws/, 'http')).origin),
    );
    expect(strangers, 'requests to other origins').toEqual([]);
  }
}
