import { type Fetcher, createGraphiQLFetcher } from '@graphiql/toolkit';

/** Asks the server of this page, by the session or by the `Authorization` of the headers' editor. */
export function fetcherThatTells(refused: (signedOut: boolean) => void): Fetcher {
  const socket = new URL('/graphql', location.href);
  socket.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  return createGraphiQLFetcher({
    url: '/graphql',
    // The headers of the editor become the payload of `connection_init`.
    subscriptionUrl: socket.href,
    enableIncrementalDelivery: false,
    fetch: async (input, init) => {
      const response = await fetch(input, { ...init, cache: 'no-store' });
      refused(response.status === 401);
      return response;
    },
  });
}
