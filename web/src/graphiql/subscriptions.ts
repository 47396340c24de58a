import type { FetcherParams } from '@graphiql/toolkit';
import type { ExecutionResult } from 'graphql';
import { createClient } from 'graphql-ws';
import { plainError } from './plain-error.js';

/** With these codes the server closes a WebSocket of one whom it does not know, or not any more. */
const REFUSALS = [4401, 4403];

type Headers = Record<string, string> | undefined;
type Members = Record<string, unknown>;
type Results = AsyncIterableIterator<ExecutionResult<Members, Members>>;

/** Follows subscriptions over WebSockets. Each has one of its own: who asks may be another one than before. */
export function subscriptionsThatTell(
  refused: (signedOut: boolean) => void,
): (parameters: FetcherParams, headers: Headers) => Results {
  const address = new URL('/graphql', location.href);
  address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  return (parameters, headers) => {
    const client = createClient({
      url: address.href,
      connectionParams: { ...headers },
      shouldRetry: (event) => !isRefusal(event),
      on: { connected: () => refused(false), closed: (event) => isRefusal(event) && refused(true) },
    });
    const results = client.iterate<Members, Members>(parameters) as Results;
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: () => results.next().catch(explain),
      return: async (value) => (await results.return?.(value)) ?? { done: true, value: undefined },
    };
  };
}

function isRefusal(event: unknown): boolean {
  return event instanceof CloseEvent && REFUSALS.includes(event.code);
}

/** The explorer shows the message of an error; the end of a WebSocket is none. */
function explain(event: unknown): never {
  throw event instanceof CloseEvent ? plainError(`The server ended this: ${event.code} ${event.reason}`) : event;
}
