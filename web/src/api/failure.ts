/** Why a request was not answered as asked. */
export type FailureKind = 'signed-out' | 'forbidden' | 'unreachable' | 'refused';

/** A request that failed as a whole. The message is for people. */
export class Failure extends Error {
  constructor(
    readonly kind: FailureKind,
    message: string,
  ) {
    super(message);
  }
}

export const UNREACHABLE = new Failure('unreachable', 'The server cannot be reached.');

interface GraphQLError {
  message: string;
  extensions?: { code?: string };
}

/** The failure that an entry of `errors` tells. */
export function failureOf(error: GraphQLError | undefined): Failure {
  switch (error?.extensions?.code) {
    case 'UNAUTHENTICATED':
      return new Failure('signed-out', 'Your session has ended.');
    case 'FORBIDDEN':
      return new Failure('forbidden', error.message);
    default:
      return new Failure('refused', error?.message ?? 'The server did not answer as expected.');
  }
}

export type { GraphQLError };
