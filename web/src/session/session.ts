import { Failure, UNREACHABLE, failureOf } from '../api/failure.js';

/** How people can sign in here, beside a link and a token. */
export interface Ways {
  oidc: { label: string } | null;
}

export type Session =
  | { signedIn: false; ways: Ways }
  | { signedIn: true; name: string; subject: string; scopes: string[]; endsAt: string; ways: Ways };

/** What proves who someone is: the code of a one-time link, or a token. */
export type Proof = { code: string } | { token: string };

async function request(init: RequestInit): Promise<Response> {
  try {
    return await fetch('/session', { cache: 'no-store', ...init });
  } catch {
    throw UNREACHABLE;
  }
}

async function sessionOf(response: Response): Promise<Session> {
  if (response.ok) {
    return (await response.json()) as Session;
  }
  if (response.status === 401) {
    throw new Failure('signed-out', 'This is not valid any more.');
  }
  const body = (await response.json().catch(() => ({}))) as { errors?: { message: string }[] };
  throw failureOf(body.errors?.[0]);
}

/** The session of this browser. */
export async function readSession(): Promise<Session> {
  return sessionOf(await request({}));
}

/** Begins a session. Throws a `Failure` of the kind `signed-out` when the proof is not good. */
export async function signIn(proof: Proof): Promise<Session> {
  const headers = { 'Content-Type': 'application/json' };
  return sessionOf(await request({ method: 'POST', headers, body: JSON.stringify(proof) }));
}

/** Ends the session on the server. */
export async function signOut(): Promise<void> {
  const response = await request({ method: 'DELETE' });
  if (!response.ok && response.status !== 401) {
    throw new Failure('refused', 'You are still signed in: the server did not end the session.');
  }
}

/** Whether the session may create credentials. */
export function mayWrite(session: Session | undefined): boolean {
  return session?.signedIn === true && session.scopes.includes('credentials:write');
}
