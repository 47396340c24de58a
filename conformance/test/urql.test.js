// urql: queries by POST and by GET, mutations, and subscriptions as server-sent events by its own fetch exchange.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { Client, cacheExchange, fetchExchange } from '@urql/core';

import { collect, withResolvers } from './support/promise.js';
import { CREATE, FOLLOW, VIEWER, createAndRotate } from './support/requests.js';
import { startServer } from './support/server.js';

const server = await startServer();
after(() => server.stop());

test('a query of urql is answered', async () => {
  const { data, error } = await connect('alice', 'viewer').query(VIEWER, {});
  assert.equal(error, undefined);
  assert.equal(data.viewer.name, 'alice');
});

test('a query of urql by GET is answered', async () => {
  const methods = [];
  const client = connect('alice', 'viewer', {
    preferGetMethod: 'force',
    fetch(url, init) {
      methods.push(init.method);
      return fetch(url, init);
    },
  });
  const { data, error } = await client.query(VIEWER, {});
  assert.equal(error, undefined);
  assert.equal(data.viewer.name, 'alice');
  assert.deepEqual(methods, ['GET']);
});

test('a mutation of urql is answered', async () => {
  const input = { name: 'urql', value: 'secret' };
  const { data, error } = await connect('alice', 'editor').mutation(CREATE, { input });
  assert.equal(error, undefined);
  assert.equal(data.createCredential.credential.name, 'urql');
});

test('urql gets the code of an error', async () => {
  const input = { name: 'refused', value: 'secret' };
  const { error } = await connect('vera', 'viewer').mutation(CREATE, { input });
  assert.deepEqual(
    error.graphQLErrors.map(({ path, extensions }) => ({ path, code: extensions.code })),
    [{ path: ['createCredential'], code: 'FORBIDDEN' }],
  );
});

test('a subscription of urql gets what another client changes, in order', async (suite) => {
  const editor = server.authorization('alice', 'editor');
  const answered = withResolvers();
  const client = connect('vera', 'viewer', {
    async fetch(url, init) {
      const response = await fetch(url, init);
      answered.resolve();
      return response;
    },
  });
  const received = collect(2);
  const subscription = client
    .subscription(FOLLOW, {})
    .subscribe(({ data, error }) => received.add(error ?? data.credentialChanged));
  suite.after(() => subscription.unsubscribe());
  // Once there is a response, the server follows the changes.
  await answered.promise;
  const expected = await createAndRotate(server, editor, 'followed-by-urql');
  assert.deepEqual(await received.all, expected);
});

function connect(sub, role, options = {}) {
  const authorization = server.authorization(sub, role);
  return new Client({
    url: server.url,
    fetchOptions: { headers: { authorization } },
    fetchSubscriptions: true,
    exchanges: [cacheExchange, fetchExchange],
    preferGetMethod: false,
    ...options,
  });
}
