const DEFAULT_PATH = '/credentials';

/** Where to go after signing in: the path of this origin in `?return=`, or the page of credentials. */
export function returnPath(address: URL): string {
  const wanted = address.searchParams.get('return') ?? '';
  const target = resolve(wanted, address.origin);
  if (!wanted.startsWith('/') || target?.origin !== address.origin || target.pathname === '/login') {
    return DEFAULT_PATH;
  }
  const path = target.pathname + target.search + target.hash;
  // `//host` and `/\host` name another host, and a path that is none yet, such as `/.//host`, becomes one when its dots are taken out:
  // what is returned must lead, once more, to where it led.
  return resolve(path, address.origin)?.href === target.href ? path : DEFAULT_PATH;
}

/** Where a reference leads, as the browser understands it; `undefined` when it leads nowhere. */
function resolve(reference: string, origin: string): URL | undefined {
  try {
    return new URL(reference, origin);
  } catch {
    return undefined;
  }
}

/** The address that signs in and comes back to the present page. */
export function loginUrl({ pathname, search }: Location): string {
  return `/login?return=${encodeURIComponent(pathname + search)}`;
}
