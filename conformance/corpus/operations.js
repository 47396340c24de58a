// Operations: their names, and which of several is meant. Sections 5.1, 5.2 and 6.1 of the specification.

import { accepted, refused } from './case.js';

const two = 'query A { viewer { id } } query B { viewer { name } }';
const change = 'mutation C { deleteCredential(input: { credentialId: "1" }) { deletedCredentialId } }';

export default [
  accepted('one of two operations, by its name', two, { operationName: 'B' }),
  accepted('the only operation, by its name', 'query A { viewer { id } }', { operationName: 'A' }),
  accepted('the only operation, without its name', 'query A { viewer { id } }'),
  accepted('the only operation, with null for its name', 'query A { viewer { id } }', { operationName: null }),
  accepted('a query beside a mutation', `query A { viewer { id } } ${change}`, { operationName: 'A' }),
  accepted('a mutation', change),
  accepted('a mutation without a name', 'mutation { deleteCredential(input: { credentialId: "1" }) { deletedCredentialId } }'),
  accepted('a mutation of several fields', 'mutation { a: deleteCredential(input: { credentialId: "1" }) { deletedCredentialId } b: deleteCredential(input: { credentialId: "2" }) { deletedCredentialId } }'),
  accepted('a mutation of only its type', 'mutation { __typename }'),
  accepted('an operation and a fragment of one name', 'query A { viewer { ...A } } fragment A on User { id }'),
  accepted('variables of one operation that another does not have', 'query A($id: ID!) { node(id: $id) { id } } query B { viewer { id } }', { operationName: 'B' }),
  accepted('a fragment that is used by one operation only', 'query A { viewer { ...f } } query B { viewer { id } } fragment f on User { id }', { operationName: 'B' }),

  refused('operation', 'one of two operations, but none is named', two),
  refused('operation', 'one of two operations, with null for the name', two, { operationName: null }),
  refused('operation', 'a name that no operation has', two, { operationName: 'C' }),
  refused('operation', 'a name in other case', two, { operationName: 'a' }),
  refused('operation', 'an empty name', 'query A { viewer { id } }', { operationName: '' }),
  refused('operation', 'a name for an operation that has none', '{ viewer { id } }', { operationName: 'A' }),
  refused('operation', 'the name of a fragment', 'query A { viewer { ...f } } fragment f on User { id }', { operationName: 'f' }),
  refused('UniqueOperationNamesRule', 'two operations of one name', 'query A { viewer { id } } query A { viewer { name } }', { operationName: 'A' }),
  refused('UniqueOperationNamesRule', 'two operations of one name and different kinds', `query C { viewer { id } } ${change}`, { operationName: 'C' }),
  refused('LoneAnonymousOperationRule', 'two operations without names', '{ viewer { id } } { viewer { name } }'),
  refused('LoneAnonymousOperationRule', 'an operation without a name beside one with a name', '{ viewer { id } } query B { viewer { id } }', { operationName: 'B' }),
  refused('FieldsOnCorrectTypeRule', 'an operation that is wrong beside the one that is named', 'query A { viewer { id } } query B { nothing }', { operationName: 'A' }),
  refused('FieldsOnCorrectTypeRule', 'a field of a query in a mutation', 'mutation { viewer { id } }'),
  refused('FieldsOnCorrectTypeRule', 'a field of a mutation in a query', '{ deleteCredential(input: { credentialId: "1" }) { deletedCredentialId } }'),
  refused('NoUnusedFragmentsRule', 'a fragment without an operation', 'fragment f on User { id }'),
  refused('ExecutableDefinitionsRule', 'a type beside an operation', '{ viewer { id } } type Extra { id: ID }'),
  refused('ExecutableDefinitionsRule', 'an extension of a type beside an operation', '{ viewer { id } } extend type User { extra: Int }'),
  refused('ExecutableDefinitionsRule', 'a schema beside an operation', '{ viewer { id } } schema { query: Query }'),
  refused('ExecutableDefinitionsRule', 'a directive beside an operation', '{ viewer @extra { id } } directive @extra on FIELD'),
  refused('ExecutableDefinitionsRule', 'a scalar beside an operation', '{ viewer { id } } scalar Extra'),
  refused('ExecutableDefinitionsRule', 'a type of an input beside an operation', '{ viewer { id } } input Extra { a: Int }'),
];
