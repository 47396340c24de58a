// Apollo Client: HTTP for queries and mutations, graphql-transport-ws for subscriptions, and automatic persisted queries.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { OperationTypeNode } from 'graphql';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';

import { sha256 } from './support/digest.js';
import { collect } from './support/promise.js';
import { CREATE, FOLLOW, VIEWER, createAndRotate } from './support/requests.js';
import { startServer } from './support/server.js';

const server = await startServer();
after(() => server.stop());

test('a query of Apollo Client is answered', async () => {
  const { client } = connect('alice', 'viewer');
  const { data } = await client.query({ query: gql(VIEWER) });
  assert.equal(data.viewer.name, 'alice');
});

test('a mutation of Apollo Client is answered, and what it brings is in the cache', async () => {
  const { client } = connect('alice', 'editor');
  const { data } = await client.mutate({
    mutation: gql(CREATE),
    variables: { input: { name: 'apollo', value: 'secret' } },
  });
  const { __typename, id, name } = data.createCredential.credential;
  assert.equal(name, 'apollo');
  const cached = client.cache.identify({ __typename, id });
  assert.equal(client.cache.extract()[cached].valueVersion, 1);
});

test('Apollo Client gets the code of an error', async () => {
  const { client } = connect('vera', 'viewer');
  const variables = { input: { name: 'refused', value: 'secret' } };
  await assert.rejects(client.mutate({ mutation: gql(CREATE), variables }), (error) => {
    assert.ok(CombinedGraphQLErrors.is(error));
    assert.deepEqual(
      error.errors.map(({ path, extensions }) => ({ path, code: extensions.code })),
      [{ path: ['createCredential'], code: 'FORBIDDEN' }],
    );
    return true;
  });
});

test('a subscription of Apollo Client gets what another client changes, in order', async (suite) => {
  const { client, socket } = connect('vera', 'viewer');
  suite.after(() => socket.dispose());
  const editor = server.authorization('alice', 'editor');
  const received = collect(2);
  client.subscribe({ query: gql(FOLLOW) }).subscribe({
    next: ({ data, error }) => received.add(error ?? data.credentialChanged),
    error: received.fail,
  });
  await settle(socket);
  const expected = await createAndRotate(server, editor, 'followed-by-apollo');
  assert.deepEqual((await received.all).map(withoutTypename), expected);
});

test('a persisted query of Apollo Client is sent whole once, and then by its hash only', async () => {
  const bodies = [];
  const link = new HttpLink({
    uri: server.url,
    headers: { authorization: server.authorization('alice', 'viewer') },
    fetch(url, init) {
      bodies.push(JSON.parse(init.body));
      return fetch(url, init);
    },
  });
  const client = new ApolloClient({
    link: ApolloLink.from([new PersistedQueryLink({ sha256 }), link]),
    cache: new InMemoryCache(),
  });
  // One that no other check sends: the server remembers whatever it has checked.
  const query = gql('query Persisted { viewer { name } }');
  const ask = () => client.query({ query, fetchPolicy: 'no-cache' });
  assert.equal((await ask()).data.viewer.name, 'alice');
  assert.equal((await ask()).data.viewer.name, 'alice');
  assert.deepEqual(bodies.map(({ query }) => query !== undefined), [false, true, false]);
});

function connect(sub, role) {
  const authorization = server.authorization(sub, role);
  const socket = createClient({
    url: server.webSocketUrl,
    webSocketImpl: WebSocket,
    connectionParams: { Authorization: authorization },
    retryAttempts: 0,
  });
  const client = new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(socket),
      new HttpLink({ uri: server.url, headers: { authorization } }),
    ),
    cache: new InMemoryCache(),
  });
  return { client, socket };
}

/** Returns once the server has taken in what was sent before on the same socket: it answers in order. */
async function settle(socket) {
  const { value } = await socket.iterate({ query: VIEWER }).next();
  assert.equal(value.errors, undefined);
}

function withoutTypename(value) {
  return JSON.parse(JSON.stringify(value, (key, member) => (key === '__typename' ? undefined : member)));
}
