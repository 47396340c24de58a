import { type ReactiveControllerHost, type TemplateResult, html, nothing } from 'lit';
import { type ConsumerKind, Uses, type UsesQuery } from '../../generated/page.js';
import { ask } from '../api/ask.js';
import { type Failure, failureFrom } from '../api/failure.js';
import { loginUrl } from '../session/return-path.js';
import { timeOrNever } from './dates.js';

const PAGE_SIZE = 50;

type Page = NonNullable<UsesQuery['credential']>['references'];
type Use = Page['nodes'][number];

const KINDS: Record<ConsumerKind, string> = {
  AI_MODEL_BINDING: 'AI model binding',
  HTTP_MCP_SERVER: 'HTTP MCP server',
  INTEGRATION: 'Integration',
  WORKFLOW: 'Workflow',
};

/** What uses a credential: consumers that declared it, and consumers that resolved it. */
export class UsesList {
  uses: Use[] = [];
  total = 0;
  loading = true;
  failure: Failure | undefined;
  #cursor: string | null = null;
  readonly #host: ReactiveControllerHost;
  readonly #id: string;

  constructor(host: ReactiveControllerHost, credentialId: string) {
    this.#host = host;
    this.#id = credentialId;
    void this.load();
  }

  /** Whether a consumer says that it needs the credential: then deleting takes more than a click. */
  get declared(): boolean {
    return this.uses.some(({ declaredAt }) => declaredAt !== null);
  }

  get hasMore(): boolean {
    return this.#cursor !== null;
  }

  /** Loads the first uses, or the next ones. */
  readonly load = async (): Promise<void> => {
    this.loading = true;
    this.failure = undefined;
    this.#host.requestUpdate();
    try {
      const variables = { id: this.#id, first: PAGE_SIZE, after: this.#cursor };
      const { credential } = await ask(Uses, variables, { endpoint: '/graphql' });
      const page = credential?.references;
      this.uses = [...this.uses, ...(page?.nodes ?? [])];
      this.total = page?.totalCount ?? 0;
      this.#cursor = page?.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
    } catch (error) {
      this.failure = failureFrom(error);
    }
    this.loading = false;
    this.#host.requestUpdate();
  };
}

/** The list of uses, as it loads. */
export function usesTemplate(list: UsesList): TemplateResult {
  return html`${
    list.uses.length > 0
      ? html`<ul class="use-list" tabindex="0" aria-label="What uses it">
          ${list.uses.map(useTemplate)}
        </ul>`
      : nothing
  }
    ${list.loading ? html`<p class="note" role="status">Looking for what uses it…</p>` : nothing}
    ${list.failure ? failureTemplate(list.failure, list.load) : nothing}
    ${
      list.hasMore && !list.loading && !list.failure
        ? html`<button type="button" class="button small" @click=${list.load}>
          Show more (${list.uses.length} of ${list.total.toLocaleString('en')})
        </button>`
        : nothing
    }`;
}

function failureTemplate({ kind, message }: Failure, retry: () => void): TemplateResult {
  return html`<div class="alert" role="alert">
    ${message}
    ${kind === 'signed-out' ? html`<a href=${loginUrl(location)} target="_blank" rel="noopener">Sign in in a new tab</a>` : nothing}
    <button type="button" class="button small" @click=${retry}>Try again</button>
  </div>`;
}

function useTemplate({ consumer, declaredAt, lastResolvedAt, resolveCount }: Use): TemplateResult {
  return html`<li>
    <strong dir="auto">${consumer.name ?? consumer.externalId}</strong>
    <span class="kind">${KINDS[consumer.kind]}</span>
    ${consumer.name === null ? nothing : html`<code>${consumer.externalId}</code>`}
    <span class="detail">
      ${declaredAt === null ? 'Not declared.' : html`Declared ${timeOrNever(declaredAt)}.`}
      ${
        resolveCount === 0
          ? 'Never read.'
          : html`Read ${timeOrNever(lastResolvedAt)}, ${resolveCount.toLocaleString('en')}
          ${resolveCount === 1 ? 'time' : 'times'} in all.`
      }
    </span>
  </li>`;
}
