import { type Fetcher, createGraphiQLFetcher } from '@graphiql/toolkit';
import { getOperationAST } from 'graphql';
import { plainError } from './plain-error.js';
import { subscriptionsThatTell } from './subscriptions.js';

/**
 * Asks the server of this page, by the session or by the `Authorization` of the headers' editor. `refused` is told of each
 * answer whether the server wanted to know who asks.
 */
export function fetcherThatTells(refused: (signedOut: boolean) => void): Fetcher {
  const subscribe = subscriptionsThatTell(refused);
  const ask = createGraphiQLFetcher({
    url: '/graphql',
    enableIncrementalDelivery: false,
    fetch: async (input, init) => {
      const response = await fetch(input, { ...init, cache: 'no-store' }).catch(() => {
        throw plainError('The server cannot be reached.');
      });
      refused(response.status === 401);
      return response;
    },
  });
  return (parameters, options) => {
    const document = options?.documentAST;
    const operation = document && getOperationAST(document, parameters.operationName);
    return operation?.operation === 'subscription' ? subscribe(parameters, options?.headers) : ask(parameters, options);
  };
}
