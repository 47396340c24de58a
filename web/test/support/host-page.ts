import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

const SCRIPT = `
  // A style sheet that a script makes is no style in the sense of the policy.
  const style = new CSSStyleSheet();
  style.replaceSync('body { background: Canvas; color: CanvasText }');
  document.adoptedStyleSheets = [style];
  const events = (window.events = []);
  for (const picker of document.querySelectorAll('credential-picker')) {
    picker.getToken = async () => (await fetch('/token')).text();
  }
  for (const name of ['input', 'change', 'credential-created', 'submit']) {
    document.addEventListener(name, ({ type, detail }) => events.push(detail ? { type, detail } : { type }));
  }
`;

/** The site of another program, with forms of its own and a policy that allows no styles. */
export class HostPage {
  /** What is in its `<main>`. */
  body = '';
  /** The token that its `getToken` returns. */
  token = '';
  /** The address of the picker's script. */
  pickerUrls: string[] = [];
  /** The forms that were sent to it. */
  readonly saved: Record<string, string>[] = [];
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  static async open(): Promise<HostPage> {
    const page = new HostPage();
    page.#server.listen(0, '127.0.0.1');
    await once(page.#server, 'listening');
    return page;
  }

  /** By name, not by number: to the browser this is another site than the server's. */
  get origin(): string {
    return `http://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Of the server's site, but not of its origin: here a browser would send cookies, if the picker let it. */
  get sameSiteOrigin(): string {
    return this.origin.replace('localhost', '127.0.0.1');
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    switch (request.url) {
      case '/':
        response.writeHead(200, { 'Content-Type': 'text/html', 'Content-Security-Policy': this.#policy() });
        response.end(this.#html());
        return;
      case '/host.js':
        response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(SCRIPT);
        return;
      case '/token':
        response.writeHead(200, { 'Content-Type': 'text/plain' }).end(this.token);
        return;
      case '/save':
        this.saved.push(Object.fromEntries(new URLSearchParams(await text(request))));
        response.writeHead(204).end();
        return;
      default:
        response.writeHead(404).end();
    }
  }

  #policy(): string {
    const servers = [...new Set(this.pickerUrls.map((url) => new URL(url).origin))].join(' ');
    return `default-src 'none'; script-src 'self' ${servers}; connect-src 'self' ${servers}; style-src 'none'; img-src data:; form-action 'self'`;
  }

  #html(): string {
    const scripts = this.pickerUrls.map((url) => `<script type="module" src="${url}"></script>`).join('\n');
    return `<!doctype html>
      <html lang="en">
        <head>
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta name="color-scheme" content="light dark" />
          <title>Another program</title>
          <link rel="icon" href="data:," />
          ${scripts}
          <script type="module" src="/host.js"></script>
        </head>
        <body><main><h1>A model binding</h1>${this.body}</main></body>
      </html>`;
  }
}
