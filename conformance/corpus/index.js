// The corpus: documents against `schema.graphql`, each below the limits that the server has of its own (2,000 tokens, 20 levels,
// 30 aliases, 50 directives and 8 at one place, 100 items of a list …).

import directives from './directives.js';
import fields from './fields.js';
import fragments from './fragments.js';
import introspection from './introspection.js';
import literals from './literals.js';
import operations from './operations.js';
import subscriptions from './subscriptions.js';
import syntax from './syntax.js';
import variables from './variables.js';

export default [
  ...syntax,
  ...literals,
  ...operations,
  ...fields,
  ...fragments,
  ...directives,
  ...variables,
  ...introspection,
  ...subscriptions,
];
