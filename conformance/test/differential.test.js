// The server beside graphql-js, the reference implementation: whatever one of them refuses, the other refuses too. The limits
// that the server has of its own are out of the question here: no document comes near them.

import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { after, test } from 'node:test';

import {
  Lexer,
  Source,
  TokenKind,
  buildClientSchema,
  getIntrospectionQuery,
  lexicographicSortSchema,
  printSchema,
  specifiedRules,
} from 'graphql';
import { WebSocket } from 'ws';

import corpus from '../corpus/index.js';
import { isSubscription, refusals, schema } from './support/reference.js';
import { startServer } from './support/server.js';

const server = await startServer();
after(() => server.stop());
const authorization = server.authorization('judge', 'admin');

test('the corpus has at least 100 documents, and refused ones for every rule of graphql-js', () => {
  assert.ok(corpus.length >= 100);
  const covered = new Set(corpus.map(({ refusedBy }) => refusedBy));
  const rules = specifiedRules.map(({ name }) => name);
  assert.deepEqual(rules.filter((name) => !covered.has(name)), []);
});

test('the schema that the server tells by introspection is the one in schema.graphql', async () => {
  const { data } = await post({ document: getIntrospectionQuery({ specifiedByUrl: true }) });
  const print = (told) => printSchema(lexicographicSortSchema(told));
  assert.equal(print(buildClientSchema(data)), print(schema));
});

test('what graphql-js accepts, the server executes', async (suite) => {
  for (const request of corpus.filter(({ refusedBy }) => refusedBy === null)) {
    await suite.test(request.says, async () => {
      assert.deepEqual(refusals(request), [], 'graphql-js');
      await assertVerdict(request, true);
    });
  }
});

test('what graphql-js refuses, the server refuses', async (suite) => {
  for (const request of corpus.filter(({ refusedBy }) => refusedBy !== null)) {
    await suite.test(`${request.refusedBy}: ${request.says}`, async () => {
      assert.ok(refusals(request).includes(request.refusedBy), 'graphql-js');
      await assertVerdict(request, false);
    });
  }
});

test('they agree on each accepted document with a token left out, doubled or moved', async () => {
  const differences = [];
  // One generator for all that compare: each request is taken once.
  const requests = neighbours();
  const compare = async () => {
    for (const request of requests) {
      const expected = refusals(request).length === 0 ? 'accepted' : 'refused';
      // One that is accepted has no answer of its own here.
      if (expected === 'accepted' && isSubscription(request)) continue;
      if (verdict(await post(request)) !== expected) {
        differences.push(`${expected} by graphql-js: ${body(request)}`);
      }
    }
  };
  await Promise.all([compare(), compare(), compare(), compare()]);
  const first = differences.slice(0, 20).join('\n');
  assert.equal(differences.length, 0, `${differences.length} differences, such as\n${first}`);
});

async function assertVerdict(request, isAccepted) {
  const answer = await (isSubscription(request) ? subscribe(request) : post(request));
  const expected = isAccepted ? 'accepted' : 'refused';
  assert.equal(verdict(answer), expected, `${body(request)} was answered ${JSON.stringify(answer)}`);
}

/** What the server makes of a request. What is executed may have errors of fields: nobody has the IDs of the corpus. */
function verdict({ status, data, errors }) {
  const codes = (errors ?? []).map(({ extensions }) => extensions.code);
  if (codes.includes('INTERNAL_SERVER_ERROR')) return 'a fault of the server';
  if (status === 200 && data) return 'accepted';
  if (status === 400 && data === undefined && errors.length > 0) return 'refused';
  return 'neither accepted nor refused';
}

/** Documents that differ from an accepted one by a token that is left out, doubled or moved behind the next one. */
function* neighbours() {
  const seen = new Set();
  for (const request of corpus.filter(({ refusedBy }) => refusedBy === null)) {
    const tokens = tokensOf(request.document);
    // The introspection of graphql-js is long, and would be half of them.
    if (tokens.length > 100) continue;
    for (const index of tokens.keys()) {
      const [before, token, behind] = [tokens.slice(0, index), tokens[index], tokens.slice(index + 1)];
      const changed = [
        [...before, ...behind],
        [...before, token, token, ...behind],
        [...before, ...behind.slice(0, 1), token, ...behind.slice(1)],
      ];
      for (const document of changed.map((list) => list.join(' '))) {
        if (seen.has(document)) continue;
        seen.add(document);
        yield { ...request, document };
      }
    }
  }
}

function tokensOf(document) {
  const lexer = new Lexer(new Source(document));
  const tokens = [];
  while (lexer.advance().kind !== TokenKind.EOF) {
    tokens.push(document.slice(lexer.token.start, lexer.token.end));
  }
  return tokens;
}

/** The body of a request. Variables that are given as a text are sent as they are. */
function body({ document, variables, json, operationName }) {
  if (json === undefined) {
    return JSON.stringify({ query: document, operationName, variables });
  }
  return `${JSON.stringify({ query: document, operationName }).slice(0, -1)},"variables":${json}}`;
}

async function post(request) {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: {
      authorization,
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
    },
    body: body(request),
  });
  return { status: response.status, ...(await response.json()) };
}

/** Sends a subscription. What is accepted says nothing: the next message is then the answer to the ping behind it. */
async function subscribe(request) {
  const socket = new WebSocket(server.webSocketUrl, 'graphql-transport-ws');
  const messages = on(socket, 'message');
  const next = async () => JSON.parse((await messages.next()).value[0]);
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init', payload: { Authorization: authorization } }));
  assert.equal((await next()).type, 'connection_ack');
  socket.send(`{"id":"1","type":"subscribe","payload":${body(request)}}`);
  socket.send('{"type":"ping"}');
  const { type, payload } = await next();
  socket.terminate();
  return type === 'error' ? { status: 400, errors: payload } : { status: 200, data: {} };
}
