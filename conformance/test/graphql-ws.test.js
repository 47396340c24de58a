// The protocol graphql-transport-ws: the client of the package `graphql-ws`, its reference implementation, and bare WebSockets
// for what that client never does.

import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { after, test } from 'node:test';

import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';

import { CREATE, FOLLOW, VIEWER, createAndRotate } from './support/requests.js';
import { startServer } from './support/server.js';

const server = await startServer();
after(() => server.stop());

test('a query of graphql-ws is answered', async (suite) => {
  const client = connect(suite, 'alice', 'viewer');
  const [{ data }, ...more] = await all(client.iterate({ query: VIEWER }));
  assert.equal(data.viewer.name, 'alice');
  assert.deepEqual(more, []);
});

test('a mutation of graphql-ws is answered', async (suite) => {
  const client = connect(suite, 'alice', 'editor');
  const variables = { input: { name: 'graphql-ws', value: 'secret' } };
  const [{ data }] = await all(client.iterate({ query: CREATE, variables }));
  assert.equal(data.createCredential.credential.name, 'graphql-ws');
});

test('graphql-ws gets the code of an error of a field', async (suite) => {
  const client = connect(suite, 'vera', 'viewer');
  const variables = { input: { name: 'refused', value: 'secret' } };
  const [{ data, errors }] = await all(client.iterate({ query: CREATE, variables }));
  assert.deepEqual(data, { createCredential: null });
  assert.deepEqual(errors.map(({ extensions }) => extensions.code), ['FORBIDDEN']);
});

test('graphql-ws gets the code of the error of a document that is refused', async (suite) => {
  const client = connect(suite, 'vera', 'viewer');
  await assert.rejects(all(client.iterate({ query: '{ nothing }' })), (errors) => {
    assert.deepEqual(errors.map(({ extensions }) => extensions.code), ['GRAPHQL_VALIDATION_FAILED']);
    return true;
  });
});

test('a subscription of graphql-ws gets what another client changes, in order', async (suite) => {
  const client = connect(suite, 'vera', 'viewer');
  const editor = server.authorization('alice', 'editor');
  const events = client.iterate({ query: FOLLOW });
  const received = [events.next(), events.next()];
  // The server takes in what comes on a socket in order: with this answered, it follows the changes.
  await all(client.iterate({ query: VIEWER }));
  const expected = await createAndRotate(server, editor, 'followed-by-graphql-ws');
  const changes = (await Promise.all(received)).map(({ value }) => value.data.credentialChanged);
  assert.deepEqual(changes, expected);
});

test('a subscription that graphql-ws ends is over, and its socket serves on', async (suite) => {
  const client = connect(suite, 'vera', 'viewer', { lazy: false });
  const events = client.iterate({ query: FOLLOW });
  const next = events.next();
  await all(client.iterate({ query: VIEWER }));
  await events.return();
  assert.deepEqual(await next, { done: true, value: undefined });
  const [{ data }] = await all(client.iterate({ query: VIEWER }));
  assert.equal(data.viewer.name, 'vera');
});

test('graphql-ws connects anew after it has closed its socket', async (suite) => {
  // By default it closes the socket when the last operation ends. Here the next one comes at once, while it is closing.
  const client = connect(suite, 'vera', 'viewer');
  await all(client.iterate({ query: VIEWER }));
  const [{ data }] = await all(client.iterate({ query: VIEWER }));
  assert.equal(data.viewer.name, 'vera');
});

test('a socket that its client closes is closed in good order', async () => {
  const talk = await openAccepted();
  talk.socket.close(1000, 'done');
  assert.equal(await talk.closeCode(), 1000);
});

test('a socket with a bad token is closed with 4403', async () => {
  const talk = await open();
  talk.introduce('Bearer nonsense');
  assert.equal(await talk.closeCode(), 4403);
});

test('a socket without a token is closed with 4403', async () => {
  const talk = await open();
  talk.send({ type: 'connection_init' });
  assert.equal(await talk.closeCode(), 4403);
});

test('a second subscription of the same ID closes the socket with 4409', async () => {
  const talk = await openAccepted();
  talk.send({ id: 'same', type: 'subscribe', payload: { query: FOLLOW } });
  talk.send({ id: 'same', type: 'subscribe', payload: { query: FOLLOW } });
  assert.equal(await talk.closeCode(), 4409);
});

test('an ID can be used again once its operation was ended by the client, refused or answered', async () => {
  const talk = await openAccepted();
  talk.send({ id: 'again', type: 'subscribe', payload: { query: FOLLOW } });
  talk.send({ id: 'again', type: 'complete' });
  talk.send({ id: 'again', type: 'subscribe', payload: { query: '{ nothing }' } });
  assert.equal((await talk.message()).type, 'error');
  const answer = { data: { __typename: 'Query' } };
  for (const _time of [1, 2]) {
    talk.send({ id: 'again', type: 'subscribe', payload: { query: '{ __typename }' } });
    assert.deepEqual(await talk.message(), { id: 'again', type: 'next', payload: answer });
    assert.deepEqual(await talk.message(), { id: 'again', type: 'complete' });
  }
  talk.socket.close();
});

test('an operation that never was can be ended', async () => {
  const talk = await openAccepted();
  talk.send({ id: 'never', type: 'complete' });
  talk.send({ type: 'ping' });
  assert.deepEqual(await talk.message(), { type: 'pong' });
  talk.socket.close();
});

test('a subscription before the introduction is accepted closes the socket with 4401', async () => {
  const talk = await open();
  talk.send({ id: '1', type: 'subscribe', payload: { query: FOLLOW } });
  assert.equal(await talk.closeCode(), 4401);
});

test('a second introduction closes the socket with 4429', async () => {
  const talk = await openAccepted();
  talk.introduce(server.authorization('vera', 'viewer'));
  assert.equal(await talk.closeCode(), 4429);
});

test('a socket of another protocol is closed with 4406', async () => {
  const talk = new Talk(new WebSocket(server.webSocketUrl));
  assert.equal(await talk.closeCode(), 4406);
});

test('a malformed message closes the socket with 4400', async (suite) => {
  const ask = { query: '{ __typename }' };
  const malformed = {
    'no JSON': 'nonsense',
    'no object': '[]',
    'no type': '{}',
    'another type': '{"type":"start"}',
    'a subscription without an ID': JSON.stringify({ type: 'subscribe', payload: ask }),
    'a subscription with a number as its ID': JSON.stringify({ id: 1, type: 'subscribe', payload: ask }),
    'a subscription with an empty ID': JSON.stringify({ id: '', type: 'subscribe', payload: ask }),
    'a subscription without a payload': '{"id":"1","type":"subscribe"}',
    'a subscription without a document': '{"id":"1","type":"subscribe","payload":{}}',
    'variables that are no object': JSON.stringify({ id: '1', type: 'subscribe', payload: { ...ask, variables: 1 } }),
    'an end without an ID': '{"type":"complete"}',
  };
  for (const [what, text] of Object.entries(malformed)) {
    await suite.test(what, async () => {
      const talk = await openAccepted();
      talk.socket.send(text);
      assert.equal(await talk.closeCode(), 4400);
    });
  }
});

test('a message in bytes closes the socket with 4400', async () => {
  const talk = await openAccepted();
  talk.socket.send(Buffer.from('{"type":"ping"}'));
  assert.equal(await talk.closeCode(), 4400);
});

test('a ping is answered with a pong, before the introduction too', async () => {
  const talk = await open();
  talk.send({ type: 'ping', payload: { asked: 1 } });
  assert.deepEqual(await talk.message(), { type: 'pong', payload: { asked: 1 } });
  talk.socket.close();
});

function connect(suite, sub, role, options = {}) {
  const client = createClient({
    url: server.webSocketUrl,
    webSocketImpl: WebSocket,
    connectionParams: { Authorization: server.authorization(sub, role) },
    retryAttempts: 0,
    ...options,
  });
  suite.after(() => client.dispose());
  return client;
}

async function all(answers) {
  const list = [];
  for await (const answer of answers) {
    list.push(answer);
  }
  return list;
}

async function open() {
  const socket = new WebSocket(server.webSocketUrl, 'graphql-transport-ws');
  await once(socket, 'open');
  return new Talk(socket);
}

async function openAccepted() {
  const talk = await open();
  talk.introduce(server.authorization('vera', 'viewer'));
  assert.deepEqual(await talk.message(), { type: 'connection_ack' });
  return talk;
}

/** A bare socket, and what was received on it. */
class Talk {
  constructor(socket) {
    this.socket = socket;
    // Several messages may come at once: they are kept until they are asked for.
    this.messages = on(socket, 'message');
  }

  introduce(authorization) {
    this.send({ type: 'connection_init', payload: { Authorization: authorization } });
  }

  send(message) {
    this.socket.send(JSON.stringify(message));
  }

  async message() {
    const { value } = await this.messages.next();
    return JSON.parse(value[0]);
  }

  async closeCode() {
    const [code] = await once(this.socket, 'close');
    return code;
  }
}
