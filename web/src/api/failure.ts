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

/** What is said of an answer that is none. */
export const NO_ANSWER_MESSAGE = 'The server did not answer as expected.';

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
      return new Failure('refused', error?.message ?? NO_ANSWER_MESSAGE);
  }
}

/** What was thrown, as a failure. What is none is a mistake of ours: it is reported, too. */
export function failureFrom(error: unknown): Failure {
  if (error instanceof Failure) {
    return error;
  }
  reportError(error);
  return new Failure('refused', 'This did not work.');
}

/** That something was not done; or that it is not known, when no answer came. */
export function notDone(name: string, done: string, kind?: FailureKind): string {
  return kind === 'unreachable' ? `It is not known whether “${name}” was ${done}.` : `“${name}” was not ${done}.`;
}

export type { GraphQLError };
