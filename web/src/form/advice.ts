const KNOWN_PREFIX = /^(sk|pk|rk)[-_]|^(gh[opsur]|glpat|xox[abeprs])[-_]|^github_pat_|^AKIA|^AIza|^eyJ|^-----BEGIN/;
const ONE_LONG_WORD = /^[A-Za-z0-9+/=_.-]{24,}$/;

/** Whether a name looks like the secret itself: a known prefix of keys, or one long word of mixed letters and digits. */
export function looksLikeSecret(name: string): boolean {
  const text = name.trim();
  const mixed = /[a-z]/.test(text) && /[A-Z]/.test(text) && /[0-9]/.test(text);
  return KNOWN_PREFIX.test(text) || (mixed && ONE_LONG_WORD.test(text));
}

/** Whether white space stands at an end of a value. PEM blocks end with a line break, so one after them is no surprise. */
export function hasStrayWhiteSpace(value: string): boolean {
  const text = value.endsWith('-----\n') ? value.slice(0, -1) : value;
  return text !== text.trim();
}
