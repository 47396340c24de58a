import type { ReactiveControllerHost } from 'lit';
import { Options as OptionsQuery } from '../../generated/picker.js';
import { type Failure, failureFrom } from '../api/failure.js';
import type { Ask } from './door.js';

const PAGE_SIZE = 20;
const SEARCH_DELAY_MS = 250;

export interface Option {
  id: string;
  name: string;
}

/** The credentials to choose from: those whose name contains what was typed. */
export class Options {
  found: Option[] = [];
  total = 0;
  loading = false;
  failure: Failure | undefined;
  #latest = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #host: ReactiveControllerHost;
  readonly #ask: Ask;

  constructor(host: ReactiveControllerHost, ask: Ask) {
    this.#host = host;
    this.#ask = ask;
  }

  /** Searches once nothing was typed for a moment. */
  searchSoon(query: string): void {
    clearTimeout(this.#timer);
    this.loading = true;
    this.#timer = setTimeout(() => void this.search(query), SEARCH_DELAY_MS);
    this.#host.requestUpdate();
  }

  /** Searches. An answer that another search overtook is dropped. */
  async search(query: string): Promise<void> {
    this.stop();
    const { signal } = this.#latest;
    this.loading = true;
    this.failure = undefined;
    this.#host.requestUpdate();
    try {
      const { credentials } = await this.#ask(OptionsQuery, { query: query || null, first: PAGE_SIZE }, signal);
      this.found = credentials?.nodes ?? [];
      this.total = credentials?.totalCount ?? 0;
    } catch (error) {
      if (signal.aborted) {
        return;
      }
      this.found = [];
      this.failure = failureFrom(error);
    }
    if (!signal.aborted) {
      this.loading = false;
      this.#host.requestUpdate();
    }
  }

  /** Lists nothing, and says why. */
  refuse(failure: Failure): void {
    this.stop();
    this.found = [];
    this.failure = failure;
    this.#host.requestUpdate();
  }

  /** Forgets the search that is under way. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#latest.abort();
    this.#latest = new AbortController();
    this.loading = false;
  }
}
