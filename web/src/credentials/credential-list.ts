import type { ReactiveControllerHost } from 'lit';
import { FirstPage, type FirstPageQuery, NextPage, type RowFragment } from '../../generated/page.js';
import { ask } from '../api/ask.js';
import { Failure, NO_ANSWER_MESSAGE, failureFrom } from '../api/failure.js';
import type { View } from './view-url.js';

const ENDPOINT = '/graphql';
/** As many rows as a large screen shows; the rest is loaded in larger pages. */
const FIRST_PAGE_SIZE = 25;
const PAGE_SIZE = 50;
const PAGE_SIZE_LIMIT = 100;

export type Row = RowFragment;
type Page = NonNullable<FirstPageQuery['credentials']>;

/** The rows that are shown, and how to get more of them. */
export class CredentialList {
  rows: Row[] = [];
  total = 0;
  /** Whether the viewer may add credentials. */
  mayAdd = false;
  /** Whether anything was ever loaded. */
  loaded = false;
  loading = false;
  loadingMore = false;
  failure: Failure | undefined;
  moreFailure: Failure | undefined;
  /** The ID of the row that was added last. */
  fresh: string | undefined;
  /** What was searched for when the present rows were asked for. */
  shownQuery = '';
  /** The order of the present rows. */
  shownOrder: View['order'] | undefined;
  loadedAt = 0;
  /** The rows that were added, but are not among those that were searched for. */
  readonly #uncounted = new Set<string>();
  #pageInfo: Page['pageInfo'] = { hasNextPage: false, endCursor: null };
  #latest = new AbortController();
  readonly #host: ReactiveControllerHost;

  constructor(
    host: ReactiveControllerHost,
    public view: View,
  ) {
    this.#host = host;
  }

  get hasMore(): boolean {
    return this.#pageInfo.hasNextPage;
  }

  /**
   * Loads the rows of the view: as many as are shown, when it is the same view, so that nothing is lost to one who has loaded
   * more. An answer that another load overtook is dropped.
   */
  async load(): Promise<void> {
    this.#latest.abort();
    const { signal } = (this.#latest = new AbortController());
    const { query, order } = this.view;
    this.loading = true;
    this.#host.requestUpdate();
    try {
      const wanted = query === this.shownQuery && order === this.shownOrder ? this.rows.length : 0;
      const first = Math.min(Math.max(wanted, FIRST_PAGE_SIZE), PAGE_SIZE_LIMIT);
      const variables = { query: query || null, orderBy: order, first };
      const answer = await ask(FirstPage, variables, { endpoint: ENDPOINT, signal });
      const page = answered(answer.credentials);
      while (page.nodes.length < wanted && page.pageInfo.hasNextPage && page.pageInfo.endCursor !== null) {
        const next = { ...variables, after: page.pageInfo.endCursor };
        const { nodes, pageInfo } = answered((await ask(NextPage, next, { endpoint: ENDPOINT, signal })).credentials);
        page.nodes.push(...nodes);
        page.pageInfo = pageInfo;
      }
      this.mayAdd = answer.viewerCanCreateCredential;
      this.#take(page, { query, order });
    } catch (error) {
      if (signal.aborted) {
        return;
      }
      this.fail(error);
    }
    this.loading = this.loadingMore = false;
    this.#host.requestUpdate();
  }

  /** Drops what is being loaded: something else will be asked for. */
  stop(): void {
    this.#latest.abort();
    this.loading = this.loadingMore = false;
  }

  /** Loads again what a change may have overtaken, and what comes after the rows when a change took all of them. */
  settle(): void {
    if (this.loading || (this.rows.length === 0 && this.total > 0)) {
      void this.load();
    }
  }

  #take(page: Page, { query, order }: View): void {
    this.rows = page.nodes;
    this.total = page.totalCount;
    this.#pageInfo = page.pageInfo;
    this.shownQuery = query;
    this.shownOrder = order;
    this.#uncounted.clear();
    this.failure = this.moreFailure = this.fresh = undefined;
    this.loaded = true;
    this.loadedAt = Date.now();
  }

  /** Keeps why something failed. Who is signed out, or may not look, is left no rows. */
  fail(error: unknown): void {
    this.failure = failureFrom(error);
    if (this.failure.kind === 'signed-out' || this.failure.kind === 'forbidden') {
      this.rows = [];
    }
    this.#host.requestUpdate();
  }

  /** Loads the next rows. Resolves to the ID of the first new one. */
  async loadMore(): Promise<string | undefined> {
    const after = this.#pageInfo.endCursor;
    if (this.loading || this.loadingMore || after === null) {
      return undefined;
    }
    const { signal } = this.#latest;
    this.loadingMore = true;
    this.moreFailure = undefined;
    this.#host.requestUpdate();
    let firstNew: Row | undefined;
    try {
      const variables = {
        query: this.shownQuery || null,
        orderBy: this.shownOrder ?? this.view.order,
        first: PAGE_SIZE,
        after,
      };
      const page = answered((await ask(NextPage, variables, { endpoint: ENDPOINT, signal })).credentials);
      const known = new Set(this.rows.map(({ id }) => id));
      const added = page.nodes.filter(({ id }) => !known.has(id));
      this.rows = [...this.rows, ...added];
      this.#pageInfo = page.pageInfo;
      [firstNew] = added;
    } catch (error) {
      if (signal.aborted) {
        return undefined;
      }
      this.moreFailure = failureFrom(error);
      if (this.moreFailure.kind === 'signed-out') {
        this.fail(this.moreFailure);
      }
    }
    this.loadingMore = false;
    this.#host.requestUpdate();
    return firstNew?.id;
  }

  /** Puts a new credential on top, where one sees it whatever the order. */
  add(row: Row): void {
    this.rows = [row, ...this.rows];
    if (row.name.toLowerCase().includes(this.shownQuery.toLowerCase())) {
      this.total += 1;
    } else {
      this.#uncounted.add(row.id);
    }
    this.fresh = row.id;
    this.#host.requestUpdate();
  }

  /** Replaces a row by what it has become. */
  replace(id: string, change: Partial<Row>): void {
    this.rows = this.rows.map((row) => (row.id === id ? { ...row, ...change } : row));
    this.#host.requestUpdate();
  }

  /** Takes a row away. Returns what puts it back at its place. */
  remove(id: string): () => void {
    const index = this.rows.findIndex((row) => row.id === id);
    const removed = this.rows[index];
    if (!removed) {
      return () => undefined;
    }
    this.rows = this.rows.filter((row) => row.id !== id);
    const counted = this.#uncounted.has(id) ? 0 : 1;
    this.total -= counted;
    this.#host.requestUpdate();
    return () => {
      if (!this.rows.some((row) => row.id === id)) {
        this.rows = this.rows.toSpliced(index, 0, removed);
        this.total += counted;
      }
      this.#host.requestUpdate();
    };
  }
}

function answered<Part>(page: Part | null): Part {
  if (page === null) {
    throw new Failure('refused', NO_ANSWER_MESSAGE);
  }
  return page;
}
