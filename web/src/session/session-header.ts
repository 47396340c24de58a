import { LitElement, type TemplateResult, html, nothing } from 'lit';
import { type Failure, failureFrom } from '../api/failure.js';
import { type Session, signOut } from './session.js';
import { tellOtherTabs } from './other-tabs.js';

/** The head of each page: where one is, who is signed in, and the way out. */
export class SessionHeader extends LitElement {
  static override properties = { session: { attribute: false }, failure: { state: true } };

  declare session: Session | undefined;
  /** Why signing out did not work. */
  declare failure: Failure | undefined;

  protected override createRenderRoot(): HTMLElement {
    this.role = 'banner';
    this.className = 'head';
    this.replaceChildren();
    return this;
  }

  readonly #leave = async (): Promise<void> => {
    this.failure = undefined;
    try {
      await signOut();
    } catch (error) {
      this.failure = failureFrom(error);
      return;
    }
    tellOtherTabs('session');
    location.assign('/login');
  };

  protected override render(): TemplateResult {
    return html`<a class="brand" href="/credentials">Credence</a>
      <nav aria-label="Pages">${this.#link('/credentials', 'Credentials')} ${this.#link('/graphiql', 'Explorer')}</nav>
      <div class="who">${this.session?.signedIn ? this.#who(this.session.name) : nothing}</div>`;
  }

  #link(path: string, label: string): TemplateResult {
    return html`<a href=${path} aria-current=${location.pathname === path ? 'page' : 'false'}>${label}</a>`;
  }

  #who(name: string): TemplateResult {
    return html`<span class="user"><span class="visually-hidden">Signed in as </span><bdi>${name}</bdi></span>
      ${this.failure ? html`<span role="alert">You are still signed in. ${this.failure.message}</span>` : nothing}
      <button type="button" class="button small" @click=${this.#leave}>Sign out</button>`;
  }
}

customElements.define('session-header', SessionHeader);
