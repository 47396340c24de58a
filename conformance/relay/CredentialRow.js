// One thing, fetched again by its ID through `node`.

import { graphql } from 'relay-runtime';

graphql`
  fragment CredentialRow_credential on Credential @refetchable(queryName: "CredentialRowQuery") {
    name
    owner {
      id
      name
    }
    valueVersion
    updatedAt
    viewerCanUpdate
    viewerCanDelete
  }
`;
