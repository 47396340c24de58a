// What linters of others say of the schema.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { ESLint } from 'eslint';

import { repository } from './support/server.js';

const conformance = join(repository, 'conformance');

test('@graphql-eslint has nothing against the schema, with its recommendations and those for Relay', async () => {
  const eslint = new ESLint({
    cwd: repository,
    overrideConfigFile: join(conformance, 'eslint.config.js'),
  });
  const [result] = await eslint.lintFiles(['schema.graphql']);
  const problems = result.messages.map(({ line, ruleId, message }) => `${line}: ${ruleId}: ${message}`);
  assert.deepEqual(problems, []);
});

test('graphql-schema-linter has nothing against the schema, with all of its rules', async () => {
  const linter = join(conformance, 'node_modules/.bin/graphql-schema-linter');
  const { stdout } = await promisify(execFile)(linter, ['--format', 'json', 'schema.graphql'], {
    cwd: repository,
  });
  assert.deepEqual(JSON.parse(stdout), { errors: [] });
});
