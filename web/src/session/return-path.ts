const DEFAULT_PATH = '/credentials';

/** Where to go after signing in: the path of this origin in `?return=`, or the page of credentials. */
export function returnPath(address: URL): string {
  const wanted = address.searchParams.get('return') ?? '';
  if (!wanted.startsWith('/')) {
    return DEFAULT_PATH;
  }
  // `//host` and `/\host` name another host: the parser of addresses tells, as the browser would.
  const target = new URL(wanted, address.origin);
  return target.origin === address.origin && target.pathname !== '/login'
    ? target.pathname + target.search + target.hash
    : DEFAULT_PATH;
}

/** The address that signs in and comes back to the present page. */
export function loginUrl({ pathname, search }: Location): string {
  return `/login?return=${encodeURIComponent(pathname + search)}`;
}
