// What @graphql-eslint recommends for schemas, and for schemas that Relay is to use.

import { fileURLToPath } from 'node:url';

import graphqlPlugin from '@graphql-eslint/eslint-plugin';

export default [
  {
    files: ['**/*.graphql'],
    plugins: { '@graphql-eslint': graphqlPlugin },
    languageOptions: {
      parser: graphqlPlugin.parser,
      parserOptions: {
        graphQLConfig: { schema: fileURLToPath(new URL('../schema.graphql', import.meta.url)) },
      },
    },
    rules: {
      ...graphqlPlugin.configs['flat/schema-recommended'].rules,
      ...graphqlPlugin.configs['flat/schema-relay'].rules,
      // `nodes` of a connection is a list that wraps no edge.
      '@graphql-eslint/relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false }],
      // Values: they are no things of their own, and so have no ID.
      '@graphql-eslint/strict-id-in-types': [
        'error',
        {
          exceptions: {
            suffixes: ['Connection', 'Edge', 'Error', 'Payload'],
            types: ['Consumer', 'CredentialChange', 'CredentialStatus', 'PageInfo'],
          },
        },
      ],
    },
  },
];
