// A list within a thing that has an ID, and the removal of many things at once.

import { graphql } from 'relay-runtime';

graphql`
  query UserPageQuery($id: ID!) {
    node(id: $id) {
      ...UserPage_user @alias
    }
  }
`;

graphql`
  fragment UserPage_user on User
  @argumentDefinitions(last: { type: "Int", defaultValue: 10 }, before: { type: "String" })
  @refetchable(queryName: "UserPageCredentialsQuery") {
    name
    email
    credentials(last: $last, before: $before) @connection(key: "UserPage_credentials") {
      edges {
        cursor
        node {
          ...CredentialRow_credential
        }
      }
    }
  }
`;

graphql`
  mutation UserPageRemoveMutation(
    $input: DeleteUserInput!
    $users: [ID!]!
    $credentials: [ID!]!
  ) {
    deleteUser(input: $input) {
      deletedUserId @deleteEdge(connections: $users)
      deletedCredentialIds @deleteEdge(connections: $credentials)
      userErrors {
        code
        message
      }
    }
  }
`;
