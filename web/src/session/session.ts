import { type GraphQLError, UNREACHABLE, failureOf } from '../api/failure.js';

/** How people can sign in here, beside a link and a token. */
export interface Ways {
  oidc: { label: string } | null;
}

export type Session = { signedIn: false; ways: Ways } | { signedIn: true; name: string; ways: Ways };

/** What proves who someone is: the code of a one-time link, or a token. */
export type Proof = { code: string } | { token: string };

/** Sends a request. Throws a `Failure` when the server does not do what it asks for. */
async function request(init: RequestInit): Promise<Response> {
  const response = await fetch('/session', { cache: 'no-store', ...init }).catch(() => {
    throw UNREACHABLE;
  });
  if (response.ok) {
    return response;
  }
  const body = (await response.json().catch(() => ({}))) as { errors?: GraphQLError[] };
  throw failureOf(body.errors?.[0]);
}

/** The session of this browser. */
export async function readSession(): Promise<Session> {
  return (await (await request({})).json()) as Session;
}

/** Begins a session. Throws a `Failure` of the kind `signed-out` when the proof is not good. */
export async function signIn(proof: Proof): Promise<void> {
  const headers = { 'Content-Type': 'application/json' };
  await request({ method: 'POST', headers, body: JSON.stringify(proof) });
}

/** Ends the session on the server. */
export async function signOut(): Promise<void> {
  await request({ method: 'DELETE' });
}
