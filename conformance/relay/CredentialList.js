// A list in pages, as Relay's `usePaginationFragment` wants it.

import { graphql } from 'relay-runtime';

graphql`
  query CredentialListQuery($first: Int!, $part: String) {
    viewer {
      name
    }
    ...CredentialList_page @arguments(first: $first, part: $part)
  }
`;

graphql`
  fragment CredentialList_page on Query
  @argumentDefinitions(
    first: { type: "Int", defaultValue: 20 }
    after: { type: "String" }
    part: { type: "String" }
    orderBy: { type: "CredentialOrder", defaultValue: { field: NAME, direction: ASC } }
  )
  @refetchable(queryName: "CredentialListPageQuery") {
    credentials(first: $first, after: $after, query: $part, orderBy: $orderBy)
      @connection(key: "CredentialList_credentials", filters: ["query"]) {
      __id
      totalCount
      edges {
        node {
          id
          ...CredentialRow_credential
        }
      }
    }
  }
`;
