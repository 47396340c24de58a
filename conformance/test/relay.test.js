// Relay: its compiler takes the schema with its own directives, and its runtime keeps lists right by what the server answers.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import relay from 'relay-runtime';

import { repository, startServer } from './support/server.js';

const conformance = join(repository, 'conformance');

const server = await startServer();
after(() => server.stop());
const authorization = server.authorization('relay', 'admin');

// The compiler writes beside what it reads, so it works on a copy.
const project = mkdtempSync(join(tmpdir(), 'credence-relay-'));
after(() => rmSync(project, { recursive: true }));

before(async () => {
  cpSync(join(conformance, 'relay'), join(project, 'documents'), { recursive: true });
  cpSync(join(repository, 'schema.graphql'), join(project, 'schema.graphql'));
  mkdirSync(join(project, 'compiled'));
  const config = {
    src: 'documents',
    schema: 'schema.graphql',
    artifactDirectory: 'compiled',
    language: 'javascript',
  };
  writeFileSync(join(project, 'relay.config.json'), JSON.stringify(config));
  // What is compiled are ES modules.
  writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module' }));
  const compiler = join(conformance, 'node_modules/.bin/relay-compiler');
  const options = ['--noWatchman', '--output', 'quiet-with-errors'];
  await promisify(execFile)(compiler, options, { cwd: project });
});

test('relay-compiler compiles documents with @connection, @refetchable, @appendNode and @deleteEdge', () => {
  assert.deepEqual(compiledNames(), [
    'AuditLogChangesSubscription',
    'AuditLogQuery',
    'CredentialFormCreateMutation',
    'CredentialFormDeleteMutation',
    'CredentialFormUpdateMutation',
    'CredentialListPageQuery',
    'CredentialListQuery',
    'CredentialList_page',
    'CredentialRowQuery',
    'CredentialRow_credential',
    'UserPageCredentialsQuery',
    'UserPageQuery',
    'UserPageRemoveMutation',
    'UserPage_user',
  ]);
});

test('the server answers every query and mutation that was compiled', async () => {
  const nobody = '00000000-0000-0000-0000-000000000000';
  const inputs = {
    CredentialFormCreateMutation: { name: 'by-relay', value: 'secret' },
    CredentialFormDeleteMutation: { credentialId: nobody },
    CredentialFormUpdateMutation: { credentialId: nobody },
    UserPageRemoveMutation: { userId: nobody },
  };
  const operations = compiledNames().filter((name) => /(Query|Mutation)$/.test(name));
  assert.equal(operations.length, 10);
  for (const name of operations) {
    const { params } = await compiled(name);
    const { errors } = await send(params, { id: nobody, first: 2, input: inputs[name] });
    assert.equal(errors, undefined, name);
  }
});

test('the runtime of Relay turns pages, adds what it created and takes out what it deleted', async () => {
  const environment = new relay.Environment({
    network: relay.Network.create(send),
    store: new relay.Store(new relay.RecordSource()),
  });
  for (const number of [1, 2, 3]) {
    await create(environment, `paged-${number}`, []);
  }

  await query(environment, 'CredentialListQuery', { first: 2, part: 'paged' });
  assert.deepEqual(shown(environment).names, ['paged-1', 'paged-2']);

  const { endCursor, connections } = shown(environment);
  await query(environment, 'CredentialListPageQuery', { first: 2, part: 'paged', after: endCursor });
  assert.deepEqual(shown(environment).names, ['paged-1', 'paged-2', 'paged-3']);

  const { id } = await create(environment, 'paged-4', connections);
  assert.deepEqual(shown(environment).names, ['paged-1', 'paged-2', 'paged-3', 'paged-4']);

  const input = { credentialId: id };
  await mutate(environment, 'CredentialFormDeleteMutation', { input, connections });
  assert.deepEqual(shown(environment).names, ['paged-1', 'paged-2', 'paged-3']);
});

function compiledNames() {
  return readdirSync(join(project, 'compiled'))
    .map((file) => file.replace('.graphql.js', ''))
    .sort();
}

async function compiled(name) {
  const module = await import(join(project, 'compiled', `${name}.graphql.js`));
  return module.default;
}

/** Sends an operation, as the network of Relay does. */
async function send({ text }, variables) {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ query: text, variables }),
  });
  return response.json();
}

async function query(environment, name, variables) {
  const request = await compiled(name);
  // What nobody retains, Relay may forget.
  environment.retain(relay.createOperationDescriptor(request, variables));
  await relay.fetchQuery(environment, request, variables).toPromise();
}

async function mutate(environment, name, variables) {
  const mutation = await compiled(name);
  return new Promise((onCompleted, onError) => {
    relay.commitMutation(environment, { mutation, variables, onCompleted, onError });
  });
}

async function create(environment, name, connections) {
  const input = { name, value: 'secret' };
  const answer = await mutate(environment, 'CredentialFormCreateMutation', { input, connections });
  assert.deepEqual(answer.createCredential.userErrors, []);
  // The row is masked behind its fragment; what is left of it here is its ID.
  return { id: answer.createCredential.credential.__id };
}

/** What a page that shows the list would show. */
function shown(environment) {
  const result = {};
  relay.commitLocalUpdate(environment, (store) => {
    const connection = relay.ConnectionHandler.getConnection(
      store.getRoot(),
      'CredentialList_credentials',
      { query: 'paged' },
    );
    const edges = connection.getLinkedRecords('edges');
    result.names = edges.map((edge) => edge.getLinkedRecord('node').getValue('name'));
    result.endCursor = connection.getLinkedRecord('pageInfo').getValue('endCursor');
    result.connections = [connection.getDataID()];
  });
  return result;
}
