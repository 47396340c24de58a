import type { Document } from './document.js';
import { type GraphQLError, UNREACHABLE, failureOf } from './failure.js';

const TIMEOUT_MS = 20_000;

/** Where requests go, and by what right. Without a token it is the session cookie, on this origin only. */
export interface Door {
  endpoint: string;
  token?: string | undefined;
  signal?: AbortSignal;
}

interface Body<Answer> {
  data?: Answer | null;
  errors?: GraphQLError[];
}

/** Sends an operation. Throws a `Failure`, or an `AbortError` once the signal was given. */
export async function ask<Answer, Variables>(
  document: Document<Answer, Variables>,
  variables: Variables,
  { endpoint, token, signal }: Door,
): Promise<Answer> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let body: Body<Answer>;
  try {
    const response = await fetch(endpoint, {
      method: 'POST',
      credentials: token === undefined ? 'same-origin' : 'omit',
      cache: 'no-store',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
      headers: {
        'Content-Type': 'application/json',
        Accept: 'application/json',
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ query: document, variables }),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    body = (await response.json()) as Body<Answer>;
  } catch (error) {
    if (signal?.aborted) {
      throw error;
    }
    throw UNREACHABLE;
  }
  if (!body.data || body.errors?.length) {
    throw failureOf(body.errors?.[0]);
  }
  return body.data;
}
