import type { Door } from '../api/ask.js';
import type { Document } from '../api/document.js';
import { Failure } from '../api/failure.js';

/** A function of the host page that returns a bearer token, or a promise of one. */
export type GetToken = () => string | Promise<string>;

/** Asks the server something that also tells whether one may add credentials. */
export type Ask = <Answer extends { viewerCanCreateCredential: boolean }, Variables>(
  document: Document<Answer, Variables>,
  variables: Variables,
  signal?: AbortSignal,
) => Promise<Answer>;

/** Whether the picker may ask at all: on another origin only with a token, since no cookie ever goes there. */
export function mayAsk(endpoint: string, getToken: GetToken | undefined): boolean {
  return getToken !== undefined || new URL(endpoint).origin === location.origin;
}

/** The way to the server, with a token that was got just now. */
export async function doorOf(endpoint: string, getToken: GetToken | undefined): Promise<Door> {
  if (!getToken) {
    return { endpoint };
  }
  try {
    return { endpoint, token: await getToken() };
  } catch {
    throw new Failure('signed-out', 'This page could not get a token.');
  }
}
