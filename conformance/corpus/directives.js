// Directives: section 5.7 of the specification.

import { accepted, refused } from './case.js';

export default [
  accepted('@skip on a field', '{ viewer { id name @skip(if: true) } }'),
  accepted('@include on a field', '{ viewer { id name @include(if: false) } }'),
  accepted('@skip and @include on a field', '{ viewer { id name @skip(if: false) @include(if: true) } }'),
  accepted('@skip on the only field', '{ viewer @skip(if: true) { id } }'),
  accepted('@include of a variable', 'query ($yes: Boolean!) { viewer { id name @include(if: $yes) } }', { variables: { yes: true } }),
  accepted('@include of a variable with a default', 'query ($yes: Boolean = false) { viewer { id name @include(if: $yes) } }'),
  accepted('@skip on an inline fragment', '{ viewer { id ... on User @skip(if: true) { name } } }'),
  accepted('@skip on a spread', '{ viewer { id ...f @skip(if: true) } } fragment f on User { name }'),
  accepted('a directive on each of two fields that are merged', '{ viewer { id @skip(if: true) id @include(if: true) } }'),

  refused('KnownDirectivesRule', 'a directive that there is not', '{ viewer @nothing { id } }'),
  refused('KnownDirectivesRule', 'a directive in other case', '{ viewer @Skip(if: true) { id } }'),
  refused('KnownDirectivesRule', 'a directive of clients', 'query @live { viewer { id } }'),
  refused('KnownDirectivesRule', '@defer, which there is not', '{ viewer { ... @defer { id } } }'),
  refused('KnownDirectivesRule', '@stream, which there is not', '{ nodes(ids: []) @stream { id } }'),
  refused('KnownDirectivesRule', '@skip on an operation', 'query @skip(if: false) { viewer { id } }'),
  refused('KnownDirectivesRule', '@include on a mutation', 'mutation @include(if: true) { __typename }'),
  refused('KnownDirectivesRule', '@skip on a fragment', '{ viewer { ...f } } fragment f on User @skip(if: false) { id }'),
  refused('KnownDirectivesRule', '@include on a variable', 'query ($n: Int @include(if: true)) { users(first: $n) { totalCount } }'),
  refused('KnownDirectivesRule', '@deprecated on a field', '{ viewer @deprecated { id } }'),
  refused('KnownDirectivesRule', '@specifiedBy on a field', '{ viewer @specifiedBy(url: "a") { id } }'),
  refused('KnownDirectivesRule', '@oneOf on a field', '{ viewer @oneOf { id } }'),
  refused('UniqueDirectivesPerLocationRule', '@skip twice', '{ viewer @skip(if: false) @skip(if: false) { id } }'),
  refused('UniqueDirectivesPerLocationRule', '@include twice on an inline fragment', '{ viewer { ... @include(if: true) @include(if: true) { id } } }'),
  refused('ProvidedRequiredArgumentsRule', '@skip without its argument', '{ viewer @skip { id } }'),
  refused('KnownArgumentNamesRule', '@skip with an argument that there is not', '{ viewer @skip(if: false, unless: true) { id } }'),
  refused('ValuesOfCorrectTypeRule', '@skip with a text', '{ viewer @skip(if: "true") { id } }'),
  refused('ValuesOfCorrectTypeRule', '@skip with a number', '{ viewer @skip(if: 1) { id } }'),
  refused('ValuesOfCorrectTypeRule', '@skip with null', '{ viewer @skip(if: null) { id } }'),
  refused('NoUndefinedVariablesRule', '@skip with a variable that there is not', '{ viewer @skip(if: $no) { id } }'),
  refused('VariablesInAllowedPositionRule', '@skip with a variable that may be null', 'query ($no: Boolean) { viewer @skip(if: $no) { id } }'),
  refused('VariablesInAllowedPositionRule', '@skip with a variable of another type', 'query ($no: String!) { viewer @skip(if: $no) { id } }', { variables: { no: 'a' } }),
];
