import { LitElement, type TemplateResult, html, nothing } from 'lit';
import { keyed } from 'lit/directives/keyed.js';
import { type Failure, failureFrom } from '../api/failure.js';
import { CredentialForm, type Task } from '../form/credential-form.js';
import { listenToOtherTabs, tellOtherTabs } from '../session/other-tabs.js';
import { loginUrl } from '../session/return-path.js';
import { type Session, readSession } from '../session/session.js';
import '../session/session-header.js';
import { Changes } from './changes.js';
import { CredentialList, type Row } from './credential-list.js';
import { DeleteDialog } from './delete-dialog.js';
import { emptyTemplate, failureTemplate, noMatchTemplate, signedOutTemplate } from './states.js';
import { skeletonTemplate, tableTemplate } from './table.js';
import { type ToolbarActions, toolbarTemplate } from './toolbar.js';
import { UsesDialog } from './uses-dialog.js';
import { orderOf, showInAddress, viewOf } from './view-url.js';

const SEARCH_DELAY_MS = 250;
const STALE_AFTER_MS = 10_000;
const REDATE_AFTER_MS = 60_000;

/** Something that went wrong. */
interface Problem {
  text: string;
  /** The ID of the row that it is about, if it is about one. */
  rowId?: string;
}

/** The page of credentials. */
export class CredentialsPage extends LitElement {
  static override properties = {
    session: { state: true },
    sessionFailure: { state: true },
    notice: { state: true },
    problem: { state: true },
  };

  declare session: Session | undefined;
  /** Why it is not known who is signed in. */
  declare sessionFailure: Failure | undefined;
  /** What was done last: said politely, and shown until something else is done. */
  declare notice: string;
  /** What went wrong outside of a dialog: shown until one dismisses it, or tries again what it is about. */
  declare problem: Problem | undefined;

  readonly #list = new CredentialList(this, viewOf(location));
  readonly #form = new CredentialForm(this, loginUrl(location));
  readonly #uses = new UsesDialog(this);
  readonly #changes = new Changes(this.#list);
  readonly #delete = new DeleteDialog(this, (row, force) => void this.#remove(row, force));
  /** How often something was done: what is said twice is announced twice. */
  #saidCount = 0;
  #focused: Element | null = null;
  #searchTimer: ReturnType<typeof setTimeout> | undefined;
  #dateTimer: ReturnType<typeof setInterval> | undefined;
  #stopListening: (() => void) | undefined;

  constructor() {
    super();
    this.notice = '';
  }

  protected override createRenderRoot(): HTMLElement {
    this.replaceChildren();
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#reload();
    this.#dateTimer = setInterval(() => this.requestUpdate(), REDATE_AFTER_MS);
    document.addEventListener('keydown', this.#shortcut);
    document.addEventListener('visibilitychange', this.#refresh);
    window.addEventListener('online', this.#reload);
    window.addEventListener('pageshow', this.#comeBack);
    window.addEventListener('beforeunload', this.#warn);
    this.#stopListening = listenToOtherTabs(this.#reload);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#dateTimer);
    document.removeEventListener('keydown', this.#shortcut);
    document.removeEventListener('visibilitychange', this.#refresh);
    window.removeEventListener('online', this.#reload);
    window.removeEventListener('pageshow', this.#comeBack);
    window.removeEventListener('beforeunload', this.#warn);
    this.#stopListening?.();
  }

  async #readSession(): Promise<void> {
    try {
      this.session = await readSession();
      this.sessionFailure = undefined;
    } catch (error) {
      this.sessionFailure = failureFrom(error);
    }
  }

  readonly #reload = (): void => {
    void this.#list.load();
    void this.#readSession();
  };

  /** Someone who comes back to this tab should not act on what is old. */
  readonly #refresh = (): void => {
    if (document.visibilityState === 'visible' && Date.now() - this.#list.loadedAt > STALE_AFTER_MS) {
      this.#reload();
    }
  };

  /** A page that the browser kept while one was elsewhere may be of a session that has ended. */
  readonly #comeBack = (event: PageTransitionEvent): void => {
    if (event.persisted) {
      this.#reload();
    }
  };

  readonly #warn = (event: BeforeUnloadEvent): void => {
    if (this.#form.dirty) {
      event.preventDefault();
    }
  };

  readonly #shortcut = (event: KeyboardEvent): void => {
    const busy = event.target instanceof Element && event.target.closest('input, textarea, select, dialog');
    if (event.key === '/' && !busy && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.#searchField?.select();
    }
  };

  get #searchField(): HTMLInputElement | null {
    return this.renderRoot.querySelector<HTMLInputElement>('input[type=search]');
  }

  /** Where the focus goes when what had it is gone. */
  takeFocus(): void {
    (this.#searchField ?? this.renderRoot.querySelector('h1'))?.focus();
  }

  protected override willUpdate(): void {
    this.#focused = this.contains(document.activeElement) ? document.activeElement : null;
  }

  protected override updated(): void {
    if (this.#focused && !this.#focused.isConnected) {
      // What has a better place for it has moved it there by then.
      requestAnimationFrame(() => document.activeElement === document.body && this.takeFocus());
    }
  }

  #show(change: Partial<CredentialList['view']>): void {
    clearTimeout(this.#searchTimer);
    this.#list.view = { ...this.#list.view, ...change };
    showInAddress(this.#list.view);
    void this.#list.load();
  }

  readonly #toolbar: ToolbarActions = {
    search: (query) => {
      this.#list.view = { ...this.#list.view, query };
      this.#list.stop();
      clearTimeout(this.#searchTimer);
      this.#searchTimer = setTimeout(() => this.#show({}), SEARCH_DELAY_MS);
    },
    searchNow: (query) => this.#show({ query }),
    order: (key) => this.#show({ order: orderOf(key) }),
    add: (event) => this.#add(event),
  };

  readonly #add = (event: Event): void => {
    const task: Task = {
      title: 'Add credential',
      name: '',
      editing: false,
      send: async (entry) => {
        const { row, errors } = await this.#changes.add(entry);
        if (row) {
          this.#done(`Added “${row.name}”.`);
        }
        return errors;
      },
      focus: () => this.#addButton,
      tell: (text) => (this.problem = { text }),
    };
    this.#form.start(task, event);
  };

  get #addButton(): HTMLElement | null {
    return this.renderRoot.querySelector<HTMLElement>('[data-add]');
  }

  readonly #edit = (row: Row, event: Event): void => {
    const expected = { valueVersion: row.valueVersion, lost: false };
    const task: Task = {
      title: `Edit “${row.name}”`,
      name: row.name,
      editing: true,
      send: async (entry) => {
        this.#tryAgain(row);
        const { said, errors } = await this.#changes.edit(row, entry, expected);
        if (said !== undefined) {
          this.#done(said);
        }
        return errors;
      },
      tell: (text) => (this.problem = { text, rowId: row.id }),
    };
    this.#form.start(task, event);
  };

  /** What went wrong with a row has been read once one tries again. */
  #tryAgain({ id }: Row): void {
    if (this.problem?.rowId === id) {
      this.problem = undefined;
    }
  }

  async #remove(row: Row, force: boolean): Promise<void> {
    this.#tryAgain(row);
    const index = this.#list.rows.findIndex(({ id }) => id === row.id);
    const answer = this.#changes.remove(row, force);
    await this.updateComplete;
    this.#focusRow(this.#list.rows[index] ?? this.#list.rows[index - 1]);
    const { inUse, problem } = await answer;
    if (inUse) {
      this.#delete.start(row);
    } else if (problem !== undefined) {
      this.problem = { text: problem, rowId: row.id };
    } else {
      this.#done(`Deleted “${row.name}”.`);
    }
  }

  #say(notice: string): void {
    this.notice = notice;
    this.#saidCount += 1;
    this.requestUpdate();
  }

  #done(notice: string): void {
    this.#say(notice);
    tellOtherTabs('credentials');
  }

  #focusRow(row: Row | undefined): void {
    const element = row && this.renderRoot.querySelector<HTMLElement>(`tr[data-id="${row.id}"]`);
    (element ?? this.#searchField)?.focus();
  }

  readonly #copyId = async (row: Row): Promise<void> => {
    const { id, name } = row;
    this.#tryAgain(row);
    try {
      await navigator.clipboard.writeText(id);
      this.#say(`Copied the ID of “${name}”.`);
    } catch {
      this.problem = { text: `The browser does not let this page copy. The ID of “${name}” is ${id}.`, rowId: id };
    }
  };

  readonly #loadMore = async (): Promise<void> => {
    const id = await this.#list.loadMore();
    await this.updateComplete;
    if (id !== undefined) {
      this.#focusRow(this.#list.rows.find((row) => row.id === id));
    }
  };

  protected override render(): TemplateResult {
    const signedOut = this.#list.failure?.kind === 'signed-out';
    return html`<session-header .session=${signedOut ? undefined : this.session}></session-header>
      <main>
        <h1 tabindex="-1">Credentials</h1>
        ${signedOut ? signedOutTemplate(this.#list.loaded) : this.#content()}
        ${this.#form.render()} ${this.#uses.render()} ${this.#delete.render()}
      </main>
      ${this.#list.loaded ? html`<footer><a href="/third-party-licenses">Licenses</a></footer>` : nothing}`;
  }

  #content(): TemplateResult {
    const list = this.#list;
    const failure = list.failure ?? (this.session ? undefined : this.sessionFailure);
    return html`${toolbarTemplate(list.view, this.#list.mayAdd, this.#toolbar)}
      <div class="told">
        <div class="said">
          <p role="status" class="count">${this.#count()}</p>
          <p role="status" class="notice">${keyed(this.#saidCount, html`<span>${this.notice}</span>`)}</p>
        </div>
        ${failure ? failureTemplate(failure, this.#reload) : nothing} ${this.#problem()}
      </div>
      ${list.loaded ? this.#rows() : list.failure ? nothing : skeletonTemplate()}`;
  }

  #rows(): TemplateResult | typeof nothing {
    if (this.#list.rows.length > 0) {
      return html`${this.#table()} ${this.#more()}`;
    }
    if (this.#list.failure) {
      return nothing;
    }
    return this.#list.total > 0 ? skeletonTemplate() : this.#nothing();
  }

  #table(): TemplateResult {
    const actions = {
      copyId: (row: Row) => void this.#copyId(row),
      showUses: (row: Row, event: Event) => this.#uses.start(row, event),
      edit: this.#edit,
      delete: (row: Row, event: Event) => this.#delete.start(row, event),
    };
    const withOperations = this.#list.rows.some((row) => row.viewerCanUpdate || row.viewerCanDelete);
    return tableTemplate(this.#list, withOperations, actions, (order) => this.#show({ order }));
  }

  #nothing(): TemplateResult {
    return this.#list.shownQuery === ''
      ? emptyTemplate(this.#list.mayAdd, this.#add)
      : noMatchTemplate(this.#list.shownQuery, () => this.#show({ query: '' }));
  }

  #problem(): TemplateResult | typeof nothing {
    return this.problem === undefined
      ? nothing
      : html`<div class="alert page-alert" role="alert">
          <span>${this.problem.text}</span>
          <button type="button" class="button small" @click=${() => (this.problem = undefined)}>Dismiss</button>
        </div>`;
  }

  #count(): string {
    const { loaded, total, rows, shownQuery, failure } = this.#list;
    if (!loaded || failure?.kind === 'forbidden') {
      return '';
    }
    const number = total.toLocaleString('en');
    const noun = total === 1 ? 'credential' : 'credentials';
    const matching = shownQuery === '' ? '' : ` ${total === 1 ? 'matches' : 'match'} “${shownQuery}”`;
    const shown = rows.length < total ? `, ${rows.length.toLocaleString('en')} shown` : '';
    return `${number} ${noun}${matching}${shown}`;
  }

  #more(): TemplateResult | typeof nothing {
    const { hasMore, loadingMore, moreFailure } = this.#list;
    return html`${moreFailure ? html`<div class="alert page-alert" role="alert">${moreFailure.message}</div>` : nothing}
    ${
      hasMore
        ? html`<button type="button" class="button more" aria-busy=${loadingMore} @click=${this.#loadMore}>
          ${loadingMore ? 'Loading…' : moreFailure ? 'Try again' : 'Load more'}
        </button>`
        : nothing
    }`;
  }
}

customElements.define('credentials-page', CredentialsPage);
