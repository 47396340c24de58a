const PROVIDER_PROBLEMS: Record<string, string> = {
  provider_unavailable: 'Your provider does not answer. Try again later.',
  denied: 'Your provider did not let you in, or you went back.',
  expired: 'Signing in took too long, or began in another browser. Try again.',
  refused: 'What your provider said about you is not valid here.',
  no_rights: 'You are known, but may do nothing here. Ask whoever runs this server.',
  unavailable: 'This server cannot sign you in at the moment. Try again later.',
};

/** What the part of the address after `#` says. */
export interface Fragment {
  /** The code of a one-time link. */
  code?: string;
  /** Why signing in at the provider failed. */
  problem?: string;
}

/** Reads the fragment, and takes it out of the address and the history at once. */
export function takeFragment(): Fragment {
  const text = location.hash.slice(1);
  if (text === '') {
    return {};
  }
  history.replaceState(null, '', location.pathname + location.search);
  if (!text.startsWith('error=')) {
    return { code: text };
  }
  const code = text.slice('error='.length);
  const problem = Object.hasOwn(PROVIDER_PROBLEMS, code) ? PROVIDER_PROBLEMS[code] : undefined;
  return { problem: problem ?? 'Signing in at your provider did not work. Try again.' };
}
