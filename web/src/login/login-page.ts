import { LitElement, type TemplateResult, html, nothing } from 'lit';
import { failureFrom } from '../api/failure.js';
import { secretField } from '../form/secret-field.js';
import { tellOtherTabs } from '../session/other-tabs.js';
import { returnPath } from '../session/return-path.js';
import { type Proof, type Session, readSession, signIn } from '../session/session.js';
import '../session/session-header.js';
import { takeFragment } from './fragment.js';

const LINK_REFUSED =
  'This link was used before, or is older than ten minutes. Make a new one with “credence login-link”, or paste a token.';
const TOKEN_REFUSED = 'This token is not valid here, or not any more.';

/** The page on which people sign in: by a one-time link, with a token, or at their provider. */
export class LoginPage extends LitElement {
  static override properties = {
    session: { state: true },
    signingIn: { state: true },
    shown: { state: true },
    problem: { state: true },
    tokenProblem: { state: true },
  };

  declare session: Session | undefined;
  declare signingIn: boolean;
  declare shown: boolean;
  declare problem: string;
  declare tokenProblem: string;

  constructor() {
    super();
    this.signingIn = this.shown = false;
    this.problem = this.tokenProblem = '';
  }

  protected override createRenderRoot(): HTMLElement {
    this.replaceChildren();
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener('hashchange', this.#begin);
    this.#begin();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener('hashchange', this.#begin);
  }

  readonly #begin = (): void => {
    const { code, problem } = takeFragment();
    this.problem = problem ?? '';
    if (code !== undefined) {
      void this.#signIn({ code });
      return;
    }
    readSession().then(
      (session) => (this.session = session),
      (error: unknown) => (this.problem = failureFrom(error).message),
    );
  };

  async #signIn(proof: Proof): Promise<void> {
    if (this.signingIn) {
      return;
    }
    this.signingIn = true;
    this.problem = this.tokenProblem = '';
    try {
      await signIn(proof);
      this.#forgetToken();
      tellOtherTabs('session');
      location.replace(returnPath(new URL(location.href)));
      return;
    } catch (error) {
      this.signingIn = false;
      this.#refused(proof, error);
    }
    this.session ??= await readSession().catch(() => undefined);
  }

  #refused(proof: Proof, error: unknown): void {
    const { kind, message } = failureFrom(error);
    const notGood = kind === 'signed-out';
    if (notGood && 'token' in proof) {
      this.tokenProblem = TOKEN_REFUSED;
      void this.updateComplete.then(() => this.#tokenField?.focus());
    } else {
      this.problem = notGood ? LINK_REFUSED : message;
    }
  }

  get #tokenField(): HTMLTextAreaElement | null {
    return this.renderRoot.querySelector('textarea');
  }

  #forgetToken(): void {
    if (this.#tokenField) {
      this.#tokenField.value = '';
    }
  }

  readonly #submit = (event: Event): void => {
    event.preventDefault();
    const token = this.#tokenField?.value.trim().replace(/^Bearer\s+/i, '') ?? '';
    if (token === '') {
      this.tokenProblem = 'Paste a token.';
      this.#tokenField?.focus();
      return;
    }
    void this.#signIn({ token });
  };

  /** A token is one line: Enter sends it. */
  readonly #keydown = (event: KeyboardEvent): void => {
    if (event.key === 'Enter' && event.target === this.#tokenField) {
      this.#submit(event);
    }
  };

  protected override render(): TemplateResult {
    return html`<session-header .session=${this.session}></session-header>
      <main class="login">
        <h1>Sign in</h1>
        ${this.problem === '' ? nothing : html`<div class="alert" role="alert">${this.problem}</div>`}
        ${this.signingIn ? html`<p role="status">Signing you in…</p>` : nothing}
        ${this.session?.signedIn ? this.#signedIn(this.session.name) : nothing}
        ${this.session?.ways.oidc ? this.#provider(this.session.ways.oidc.label) : nothing} ${this.#tokenForm()}
        <section>
          <h2>With a link</h2>
          <p class="note">
            In local mode, a server that starts in a terminal prints a link there. <code>credence login-link</code> prints
            another one.
          </p>
        </section>
      </main>
      <footer><a href="/third-party-licenses">Licenses</a></footer>`;
  }

  #signedIn(name: string): TemplateResult {
    return html`<p>
      You are signed in as ${name}.
      <a class="button small" href=${returnPath(new URL(location.href))}>Go on</a>
    </p>`;
  }

  #provider(label: string): TemplateResult {
    const target = `/login/oidc?return=${encodeURIComponent(returnPath(new URL(location.href)))}`;
    return html`<p><a class="button primary wide" href=${target}>Sign in with ${label}</a></p>`;
  }

  #tokenForm(): TemplateResult {
    return html`<form
      novalidate
      autocomplete="off"
      aria-busy=${this.signingIn}
      @submit=${this.#submit}
      @keydown=${this.#keydown}
    >
      <h2>With a token</h2>
      <div class="field">
        <label for="token">Token</label>
        ${secretField({
          id: 'token',
          describedBy: 'token-error token-hint',
          invalid: this.tokenProblem !== '',
          required: true,
          shown: this.shown,
          rows: 3,
          toggle: () => (this.shown = !this.shown),
        })}
        <p id="token-error" class="error">${this.tokenProblem || nothing}</p>
        <p id="token-hint" class="hint">The session may do what the token may, and ends with it.</p>
      </div>
      <div class="actions"><button type="submit" class="button primary">Sign in</button></div>
    </form>`;
  }
}

customElements.define('login-page', LoginPage);
