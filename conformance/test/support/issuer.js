// A real issuer of access tokens: the package `oidc-provider` again, which gives tokens to programs (RFC 6749, section 4.4) for a resource
// server (RFC 8707), as JSON Web Tokens (RFC 9068).

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

import { Provider } from 'oidc-provider';

const SECRET = 'the-secret-of-the-programs-of-these-checks';
const AUDIENCE = 'https://credence.example.com';
const SCOPES = 'credentials:read credentials:write credentials:resolve';

/** A new key for an algorithm, as a JSON Web Key with its private half. */
export function newKey(alg) {
  const { privateKey } =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID() };
}

/** An issuer that publishes these keys, and signs with the first one. Its clients are `panel` and `runtime`. */
export async function startIssuer(keys) {
  const listener = createServer();
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const url = `http://127.0.0.1:${listener.address().port}`;
  const use = (present) => {
    listener.removeAllListeners('request');
    listener.on('request', provider(url, present).callback());
  };
  use(keys);
  return {
    url,
    /** Publishes these keys from now on, and signs with the first one. */
    use,
    /** A token for a client, as the provider gives it. */
    async token(client, scope, resource = AUDIENCE) {
      const response = await fetch(`${url}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`${client}:${SECRET}`).toString('base64')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope, resource }),
      });
      const answer = await response.json();
      if (!answer.access_token) throw new Error(`The provider gives no token: ${JSON.stringify(answer)}`);
      return answer.access_token;
    },
    async stop() {
      listener.closeAllConnections();
      listener.close();
      await once(listener, 'close');
    },
  };
}

function provider(url, keys) {
  const [{ alg, kid }] = keys;
  return new Provider(url, {
    jwks: { keys },
    clients: ['panel', 'runtime'].map((client_id) => ({
      client_id,
      client_secret: SECRET,
      grant_types: ['client_credentials'],
      // It gives none, and asks for a key for them all the same.
      id_token_signed_response_alg: alg,
      redirect_uris: [],
      response_types: [],
    })),
    cookies: { keys: ['a key of these checks'] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => ({
          scope: SCOPES,
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg, kid } },
        }),
      },
    },
  });
}
