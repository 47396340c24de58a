// What a schema says of itself: section 4 of the specification.

import { getIntrospectionQuery } from 'graphql';

import { accepted, refused } from './case.js';

export default [
  accepted('the introspection of graphql-js', getIntrospectionQuery()),
  accepted('the introspection of graphql-js with all of its options', getIntrospectionQuery({ specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true, inputValueDeprecation: true, oneOf: true })),
  accepted('the introspection of graphql-js without descriptions', getIntrospectionQuery({ descriptions: false })),
  accepted('the type of an object', '{ __typename viewer { __typename } }'),
  accepted('the type of an object under an alias', '{ viewer { type: __typename } }'),
  accepted('the type of an object in a fragment', '{ node(id: "1") { ... on User { __typename } } }'),
  accepted('a type', '{ __type(name: "User") { name kind fields(includeDeprecated: true) { name type { name kind ofType { name } } } } }'),
  accepted('a type that there is not', '{ __type(name: "Nothing") { name } }'),
  accepted('a type by a variable', 'query ($name: String!) { __type(name: $name) { name } }', { variables: { name: 'User' } }),
  accepted('the types of the types themselves', '{ __schema { __typename types { __typename fields { __typename args { __typename } } } } }'),
  accepted('fragments on the types of the schema', '{ __schema { types { ...f } } } fragment f on __Type { name ... on __Type { kind } }'),
  accepted('includeDeprecated of null', '{ __type(name: "User") { fields(includeDeprecated: null) { name } } }'),
  accepted('includeDeprecated of arguments and inputs', '{ __type(name: "Query") { fields { args(includeDeprecated: true) { name isDeprecated deprecationReason } } inputFields(includeDeprecated: false) { name } } }'),
  accepted('whether a directive may be repeated', '{ __schema { directives { name isRepeatable locations args { name defaultValue } } } }'),
  accepted('the address of the specification of a scalar', '{ __type(name: "DateTime") { specifiedByURL } }'),
  accepted('whether an input is one of several', '{ __type(name: "CreateCredentialInput") { isOneOf } }'),
  accepted('the schema in a mutation', 'mutation { __typename }'),

  accepted('lists of the schema two levels deep', '{ __schema { types { fields { type { fields { name } } } } } }'),
  refused('MaxIntrospectionDepthRule', 'lists of the schema three levels deep', '{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }'),
  refused('MaxIntrospectionDepthRule', 'lists of the schema three levels deep through fragments', '{ __schema { types { ...f } } } fragment f on __Type { fields { type { ...g } } } fragment g on __Type { fields { type { fields { name } } } }'),
  refused('MaxIntrospectionDepthRule', 'a list of interfaces three levels deep', '{ __type(name: "User") { interfaces { interfaces { interfaces { name } } } } }'),

  refused('ProvidedRequiredArgumentsRule', 'a type without its name', '{ __type { name } }'),
  refused('ValuesOfCorrectTypeRule', 'a type of a number as its name', '{ __type(name: 1) { name } }'),
  refused('ScalarLeafsRule', 'a schema without a selection', '{ __schema }'),
  refused('FieldsOnCorrectTypeRule', 'a field that the schema does not have', '{ __schema { nothing } }'),
  refused('FieldsOnCorrectTypeRule', 'a field that a type of the schema does not have', '{ __type(name: "User") { value } }'),
  refused('FieldsOnCorrectTypeRule', 'the schema in a field', '{ viewer { __type(name: "User") { name } } }'),
  refused('FieldsOnCorrectTypeRule', 'the schema as a mutation', 'mutation { __schema { types { name } } }'),
  refused('ValuesOfCorrectTypeRule', 'includeDeprecated of a text', '{ __type(name: "User") { fields(includeDeprecated: "true") { name } } }'),
  refused('KnownArgumentNamesRule', 'an argument that the schema does not have', '{ __schema(a: 1) { types { name } } }'),
];
