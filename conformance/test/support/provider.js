// A real OpenID Connect provider: the package `oidc-provider`, which is certified by the OpenID Foundation. And a browser without a screen
// that signs in there.

import { once } from 'node:events';
import { createServer } from 'node:http';

import { Provider } from 'oidc-provider';

/** What the people at the provider are to the server: by the names that they sign in with. */
const ROLES = { alice: ['editor', 'something-else'], ada: 'admin', nobody: ['something-else'] };

/** A provider that is not there before it is told whose it is: each has to know the other's address. */
export async function startProvider() {
  const listener = createServer();
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const issuer = `http://127.0.0.1:${listener.address().port}`;
  return {
    issuer,
    /** Serves the client `credence`, with this secret or without one, which comes back to this server. */
    serve(origin, secret) {
      const provider = new Provider(issuer, {
        clients: [
          {
            client_id: 'credence',
            redirect_uris: [`${origin}/login/oidc/callback`],
            ...(secret ? { client_secret: secret } : { token_endpoint_auth_method: 'none' }),
          },
        ],
        cookies: { keys: ['a key of these checks'] },
        claims: { openid: ['sub'], profile: ['name', 'roles'], email: ['email'] },
        conformIdTokenClaims: false,
        pkce: { required: () => true },
        findAccount: (_context, sub) => ({
          accountId: sub,
          claims: () => ({ sub, name: `${sub} of the provider`, email: `${sub}@example.com`, roles: ROLES[sub] }),
        }),
      });
      listener.removeAllListeners('request');
      listener.on('request', provider.callback());
    },
    async stop() {
      listener.closeAllConnections();
      listener.close();
      await once(listener, 'close');
    },
  };
}

/** A browser without a screen: its cookies by origin, and whether a request comes from a page of another site. */
export class Browser {
  #cookies = new Map();

  /** Goes to an address as a link of another site would, and follows nothing. */
  async go(url, options = {}) {
    const { origin } = new URL(url);
    const cookies = this.#cookies.get(origin) ?? new Map();
    const sent = [...cookies.values()].filter(({ strict }) => options.headers || !strict);
    const cookie = sent.map(({ name, value }) => `${name}=${value}`).join('; ');
    const headers = { ...options.headers, ...(cookie ? { cookie } : {}) };
    const response = await fetch(url, { redirect: 'manual', ...options, headers });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split('; ');
      const [name, ...value] = pair.split('=');
      cookies.set(name, { name, value: value.join('='), strict: attributes.includes('SameSite=Strict') });
    }
    this.#cookies.set(origin, cookies);
    return response;
  }

  /** Asks as a page of the server's own would. */
  async ask(url, options = {}) {
    return await this.go(url, { ...options, headers: { 'sec-fetch-site': 'same-origin', ...options.headers } });
  }

  /** The address that an answer leads to. */
  static location(response) {
    return new URL(response.headers.get('location'), response.url).href;
  }

  /** Signs in at the provider and consents, until it sends the browser back. Returns that address. */
  async signIn(url, name) {
    let next = url;
    for (let step = 0; step < 12; step += 1) {
      const response = await this.go(next);
      if (response.status === 302 || response.status === 303) {
        next = Browser.location(response);
        if (new URL(next).pathname === '/login/oidc/callback') return next;
        continue;
      }
      const form = await response.text();
      if (name === undefined) {
        [, next] = /href="([^"]*\/abort)"/.exec(form);
        next = new URL(next, response.url).href;
        continue;
      }
      const [, action] = /action="([^"]*)"/.exec(form);
      const [, prompt] = /name="prompt" value="([^"]*)"/.exec(form);
      const body = new URLSearchParams({ prompt, login: name, password: 'any' });
      const sent = await this.go(new URL(action, response.url).href, { method: 'POST', body });
      next = Browser.location(sent);
    }
    throw new Error('The provider does not come to an end.');
  }
}
