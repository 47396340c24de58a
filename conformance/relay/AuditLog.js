// A list with a filter, a list whose `nodes` are read without a connection of Relay, and a subscription.

import { graphql } from 'relay-runtime';

graphql`
  query AuditLogQuery($filter: AuditEventFilter, $after: String) {
    auditEvents(first: 50, after: $after, filter: $filter)
      @connection(key: "AuditLog_auditEvents") {
      edges {
        node {
          action
          occurredAt
          consumer {
            kind
            externalId
          }
        }
      }
    }
    users(first: 5) {
      nodes {
        name
      }
    }
  }
`;

graphql`
  subscription AuditLogChangesSubscription {
    credentialChanged {
      action
      credentialId
      credential {
        ...CredentialRow_credential
      }
    }
  }
`;
