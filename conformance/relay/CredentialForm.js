// What changes credentials, and with them the connections that Relay keeps.

import { graphql } from 'relay-runtime';

graphql`
  mutation CredentialFormCreateMutation($input: CreateCredentialInput!, $connections: [ID!]!) {
    createCredential(input: $input) {
      credential @appendNode(connections: $connections, edgeTypeName: "CredentialEdge") {
        ...CredentialRow_credential
      }
      userErrors {
        code
        field
        message
      }
    }
  }
`;

graphql`
  mutation CredentialFormUpdateMutation($input: UpdateCredentialInput!) {
    updateCredential(input: $input) {
      credential {
        ...CredentialRow_credential
      }
      userErrors {
        ... on UserError {
          field
          message
        }
      }
    }
  }
`;

graphql`
  mutation CredentialFormDeleteMutation($input: DeleteCredentialInput!, $connections: [ID!]!) {
    deleteCredential(input: $input) {
      deletedCredentialId @deleteEdge(connections: $connections)
      userErrors {
        message
      }
    }
  }
`;
