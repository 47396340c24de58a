// Subscriptions: section 5.2.4 of the specification. There is no condition on a root field here: graphql-js 16 accepts one, the
// specification of September 2025 does not.

import { accepted, refused } from './case.js';

const change = 'credentialChanged { action }';

export default [
  accepted('a subscription', `subscription { ${change} }`),
  accepted('a subscription with a name', `subscription S { ${change} }`),
  accepted('a subscription under an alias', `subscription { a: ${change} }`),
  accepted('a subscription with an argument', 'subscription ($id: ID) { credentialChanged(credentialId: $id) { action } }', { variables: { id: '1' } }),
  accepted('a subscription through a fragment', `subscription { ...f } fragment f on Subscription { ${change} }`),
  accepted('a subscription through an inline fragment', `subscription { ... on Subscription { ${change} } }`),
  accepted('a subscription of one field twice', `subscription { ${change} credentialChanged { credentialId } }`),
  accepted('a subscription that asks for a type below', 'subscription { credentialChanged { __typename } }'),
  accepted('a subscription beside a query', `query A { viewer { id } } subscription S { ${change} }`, { operationName: 'S' }),
  accepted('a query beside a subscription', `query A { viewer { id } } subscription S { ${change} }`, { operationName: 'A' }),

  refused('SingleFieldSubscriptionsRule', 'a subscription of two fields', `subscription { a: ${change} b: ${change} }`),
  refused('SingleFieldSubscriptionsRule', 'a subscription of two fields, one in a fragment', `subscription { a: ${change} ...f } fragment f on Subscription { b: ${change} }`),
  refused('SingleFieldSubscriptionsRule', 'a subscription of a field and the type of the root', `subscription { ${change} __typename }`),
  refused('SingleFieldSubscriptionsRule', 'a subscription of only the type of the root', 'subscription { __typename }'),
  refused('SingleFieldSubscriptionsRule', 'a subscription of two fields beside a query that is named', `query A { viewer { id } } subscription S { a: ${change} b: ${change} }`, { operationName: 'A' }),
  refused('FieldsOnCorrectTypeRule', 'a subscription to what there is not', 'subscription { viewer { id } }'),
  refused('ScalarLeafsRule', 'a subscription without a selection', 'subscription { credentialChanged }'),
  refused('KnownArgumentNamesRule', 'a subscription with an argument that there is not', 'subscription { credentialChanged(id: "1") { action } }'),
  refused('variables', 'a subscription with a variable of another type', 'subscription ($id: ID) { credentialChanged(credentialId: $id) { action } }', { variables: { id: true } }),
];
