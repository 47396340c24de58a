// GraphQL over server-sent events in its distinct connections mode: the client of the package `graphql-sse`, its reference
// implementation.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { createClient } from 'graphql-sse';

import { withResolvers } from './support/promise.js';
import { CREATE, FOLLOW, VIEWER, createAndRotate } from './support/requests.js';
import { startServer } from './support/server.js';

const server = await startServer();
after(() => server.stop());

test('a query of graphql-sse is answered', async () => {
  const [{ data }, ...more] = await all(connect('alice', 'viewer').iterate({ query: VIEWER }));
  assert.equal(data.viewer.name, 'alice');
  assert.deepEqual(more, []);
});

test('a mutation of graphql-sse is answered', async () => {
  const variables = { input: { name: 'graphql-sse', value: 'secret' } };
  const [{ data }] = await all(connect('alice', 'editor').iterate({ query: CREATE, variables }));
  assert.equal(data.createCredential.credential.name, 'graphql-sse');
});

test('graphql-sse gets the code of an error of a field', async () => {
  const variables = { input: { name: 'refused', value: 'secret' } };
  const client = connect('vera', 'viewer');
  const [{ data, errors }] = await all(client.iterate({ query: CREATE, variables }));
  assert.deepEqual(data, { createCredential: null });
  assert.deepEqual(errors.map(({ extensions }) => extensions.code), ['FORBIDDEN']);
});

test('graphql-sse gets the code of the error of a document that is refused', async () => {
  const [answer] = await all(connect('vera', 'viewer').iterate({ query: '{ nothing }' }));
  assert.equal('data' in answer, false);
  assert.deepEqual(answer.errors.map(({ extensions }) => extensions.code), ['GRAPHQL_VALIDATION_FAILED']);
});

test('graphql-sse is refused with a bad token', async () => {
  const client = createClient({ url: server.url, headers: { Authorization: 'Bearer nonsense' }, retryAttempts: 0 });
  await assert.rejects(all(client.iterate({ query: VIEWER })), ({ response }) => response.status === 401);
});

test('a subscription of graphql-sse gets what another client changes, in order', async () => {
  const editor = server.authorization('alice', 'editor');
  const answered = withResolvers();
  const client = connect('vera', 'viewer', {
    async fetchFn(url, init) {
      const response = await fetch(url, init);
      answered.resolve();
      return response;
    },
  });
  const events = client.iterate({ query: FOLLOW });
  const received = [events.next(), events.next()];
  // Once there is a response, the server follows the changes.
  await answered.promise;
  const expected = await createAndRotate(server, editor, 'followed-by-graphql-sse');
  const changes = (await Promise.all(received)).map(({ value }) => value.data.credentialChanged);
  assert.deepEqual(changes, expected);
  await events.return();
});

function connect(sub, role, options = {}) {
  const authorization = server.authorization(sub, role);
  return createClient({
    url: server.url,
    headers: { Authorization: authorization },
    retryAttempts: 0,
    ...options,
  });
}

async function all(answers) {
  const list = [];
  for await (const answer of answers) {
    list.push(answer);
  }
  return list;
}
