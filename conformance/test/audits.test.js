// GraphQL over HTTP: the audits of the package `graphql-http`, its reference implementation. All of them, recommendations
// (SHOULD) and options (MAY) too.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { serverAudits } from 'graphql-http';

import { startServer } from './support/server.js';

const server = await startServer();
after(() => server.stop());

// Every request needs a token, of which the audits know nothing.
const authorization = server.authorization('auditor', 'viewer');

function fetchWithToken(url, init = {}) {
  const headers = new Headers(init.headers);
  headers.set('authorization', authorization);
  return fetch(url, { ...init, headers });
}

const audits = serverAudits({ url: server.url, fetchFn: fetchWithToken });

test('there are 61 audits', () => {
  assert.equal(audits.length, 61);
});

test('the server passes every audit', async (suite) => {
  for (const audit of audits) {
    await suite.test(`${audit.id} ${audit.name}`, async () => {
      const result = await audit.fn();
      assert.equal(result.status, 'ok', await describe(result));
    });
  }
});

async function describe({ status, reason, response }) {
  if (status === 'ok') {
    return '';
  }
  const body = await response.text().catch(() => '(the body was read by the audit)');
  return `${status}: ${reason}. The answer: ${response.status} ${response.headers.get('content-type')} ${body}`;
}
