import { expect } from '@playwright/test';
import type { Server } from './server.js';

const CREATE = `mutation ($input: CreateCredentialInput!) {
  createCredential(input: $input) { credential { id } userErrors { message } }
}`;
const DECLARE = `mutation ($input: DeclareReferencesInput!) {
  declareReferences(input: $input) { userErrors { message } }
}`;
const RESOLVE = `mutation ($input: ResolveCredentialInput!) {
  resolveCredential(input: $input) { value userErrors { message } }
}`;
const USES = 'query ($id: ID!) { credential(id: $id) { references(first: 1) { totalCount } } }';
const BY_NAME = 'query ($name: String!) { credentialByName(name: $name) { id name valueVersion } }';

export interface Stored {
  id: string;
  name: string;
  valueVersion: number;
}

/** Creates a credential without the page. Returns its ID. */
export async function create(server: Server, token: string, name: string, value = 'a value'): Promise<string> {
  const { createCredential } = await server.ask<{
    createCredential: { credential: { id: string } };
  }>(token, CREATE, { input: { name, value } });
  return createCredential.credential.id;
}

/** Creates many credentials, named `KEY_0001` and so on, twenty in a request. */
export async function createMany(server: Server, token: string, count: number): Promise<void> {
  for (let first = 1; first <= count; first += 20) {
    const numbers = Array.from({ length: Math.min(20, count - first + 1) }, (_, index) => first + index);
    const fields = numbers.map((number) => {
      const name = `KEY_${String(number).padStart(4, '0')}`;
      return `c${number}: createCredential(input: {name: "${name}", value: "a value"}) { userErrors { message } }`;
    });
    await server.ask(token, `mutation { ${fields.join(' ')} }`);
  }
}

/** Says that a model binding uses a credential. */
export async function declare(server: Server, credentialId: string, name: string): Promise<void> {
  const consumer = { kind: 'AI_MODEL_BINDING', externalId: `${name}.yaml#primary_model`, name };
  await server.ask(await server.token('workflows', 'runtime'), DECLARE, {
    input: { consumer, credentialIds: [credentialId] },
  });
}

/** Says that many workflows use a credential, twenty in a request. */
export async function declareMany(server: Server, credentialId: string, count: number): Promise<void> {
  const token = await server.token('workflows', 'runtime');
  for (let first = 1; first <= count; first += 20) {
    const numbers = Array.from({ length: Math.min(20, count - first + 1) }, (_, index) => first + index);
    const fields = numbers.map((number) => {
      const consumer = `{kind: WORKFLOW, externalId: "flow_${String(number).padStart(3, '0')}.yaml"}`;
      return `d${number}: declareReferences(input: {consumer: ${consumer}, credentialIds: ["${credentialId}"]}) { userErrors { message } }`;
    });
    await server.ask(token, `mutation { ${fields.join(' ')} }`);
  }
}

/** The value of a credential, as only a runtime reads it. */
export async function resolve(server: Server, credentialId: string): Promise<string> {
  const consumer = { kind: 'WORKFLOW', externalId: 'test.yaml' };
  const { resolveCredential } = await server.ask<{ resolveCredential: { value: string } }>(
    await server.token('workflows', 'runtime'),
    RESOLVE,
    {
      input: { credentialId, consumer },
    },
  );
  return resolveCredential.value;
}

/** Waits until the server knows so many users of a credential: who has read it is counted a few seconds later. */
export async function untilUsedBy(server: Server, token: string, credentialId: string, count: number): Promise<void> {
  const uses = async (): Promise<number> => {
    const { credential } = await server.ask<{ credential: { references: { totalCount: number } } }>(token, USES, {
      id: credentialId,
    });
    return credential.references.totalCount;
  };
  await expect.poll(uses, { message: 'users that the server knows', timeout: 20_000 }).toBe(count);
}

export async function findByName(server: Server, token: string, name: string): Promise<Stored | null> {
  const { credentialByName } = await server.ask<{ credentialByName: Stored | null }>(token, BY_NAME, { name });
  return credentialByName;
}
