// Makes `generated/{page,picker}.ts` from the documents in `src/api`: their types, checked against the server's schema, and
// each operation as text with the fragments it needs. The page and the picker get a file each, so that neither carries what
// the other asks.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { codegen } from '@graphql-codegen/core';
import * as typescriptOperations from '@graphql-codegen/typescript-operations';
import { buildSchema, Kind, parse, print, separateOperations, stripIgnoredCharacters } from 'graphql';

const web = new URL('../', import.meta.url);
const schemaText = await readFile(new URL('../schema.graphql', web), 'utf8');
const schema = parse(schemaText);
const schemaAst = buildSchema(schemaText);

/** @param {import('graphql').DocumentNode} document */
function constantsOf(document) {
  return Object.entries(separateOperations(document)).map(([name, operation]) => {
    const kind = operation.definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION)?.operation;
    const type = name + (kind === 'mutation' ? 'Mutation' : 'Query');
    const text = JSON.stringify(stripIgnoredCharacters(print(operation)));
    return `export const ${name}: Document<${type}, ${type}Variables> = ${text};`;
  });
}

await mkdir(new URL('generated/', web), { recursive: true });
for (const name of ['page', 'picker']) {
  const location = `src/api/${name}.graphql`;
  const document = parse(await readFile(new URL(location, web), 'utf8'));
  const types = await codegen({
    filename: `generated/${name}.ts`,
    schema,
    schemaAst,
    documents: [{ location, document }],
    config: { enumType: 'string-literal', scalars: { DateTime: 'string', ID: 'string' }, skipTypename: true },
    plugins: [{ typescriptOperations: {} }],
    pluginMap: { typescriptOperations },
  });
  const lines = ["import type { Document } from '../src/api/document.js';", types, ...constantsOf(document), ''];
  await writeFile(new URL(`generated/${name}.ts`, web), lines.join('\n'));
}
