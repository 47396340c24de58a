// What the checks of each client ask for, and the plain client that changes what the others follow.

import assert from 'node:assert/strict';

export const VIEWER = 'query Viewer { viewer { id name } }';

export const CREATE = `
  mutation Create($input: CreateCredentialInput!) {
    createCredential(input: $input) {
      credential { id name valueVersion }
      userErrors { code field message }
    }
  }
`;

export const ROTATE = `
  mutation Rotate($input: UpdateCredentialInput!) {
    updateCredential(input: $input) {
      credential { id valueVersion }
      userErrors { code field message }
    }
  }
`;

export const FOLLOW = `
  subscription Follow {
    credentialChanged { action credentialId valueVersion credential { id name } }
  }
`;

/** Sends a request with nothing but `fetch`. Returns what came in `data`; there must be no errors. */
export async function ask(server, authorization, query, variables = {}) {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined);
  return data;
}

/** Creates a credential and replaces its value. Returns the two events that tell of it, in order. */
export async function createAndRotate(server, authorization, name) {
  const created = await ask(server, authorization, CREATE, { input: { name, value: 'first' } });
  const { id } = created.createCredential.credential;
  await ask(server, authorization, ROTATE, { input: { credentialId: id, value: 'second' } });
  const credential = { id, name };
  return [
    { action: 'CREDENTIAL_CREATED', credentialId: id, valueVersion: 1, credential },
    { action: 'CREDENTIAL_ROTATED', credentialId: id, valueVersion: 2, credential },
  ];
}
