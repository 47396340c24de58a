import { local } from '../../build/settings.js';

/** An OpenID Connect provider, as a process would be: it knows `alice`, who may edit, and `nobody`, who may do nothing. */
export interface Provider {
  issuer: string;
  /** Serves one client, `credence`, which comes back to this address. */
  serve: (address: string) => void;
  stop: () => Promise<void>;
}

/** Starts the provider that the conformance checks have; its packages are theirs. */
export async function startProvider(): Promise<Provider> {
  const module = (await import(local('../conformance/test/support/provider.js'))) as {
    startProvider: () => Promise<Provider>;
  };
  return module.startProvider();
}
