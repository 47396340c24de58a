import { type TemplateResult, html, nothing } from 'lit';
import type { Failure } from '../api/failure.js';
import { loginUrl } from '../session/return-path.js';

/** Nothing is there yet. */
export function emptyTemplate(mayAdd: boolean, add: (event: Event) => void): TemplateResult {
  return html`<div class="state">
    <h2>No credentials yet</h2>
    <p>A credential is a secret with a name, such as an API key. Workflows and integrations refer to it by its ID.</p>
    ${
      mayAdd
        ? html`<button type="button" class="button primary" @click=${add}>Add the first one</button>`
        : html`<p>You may look at credentials, but not add any.</p>`
    }
  </div>`;
}

/** Nothing matches the search. */
export function noMatchTemplate(query: string, clear: () => void): TemplateResult {
  return html`<div class="state">
    <h2>Nothing matches “<bdi>${query}</bdi>”</h2>
    <p>The search looks at names only, without regard to case.</p>
    <button type="button" class="button" @click=${clear}>Clear the search</button>
  </div>`;
}

/** Nobody is signed in, or not any more. */
export function signedOutTemplate(expired: boolean): TemplateResult {
  return html`<div class="state" role="alert">
    <h2>${expired ? 'Your session has ended' : 'You are not signed in'}</h2>
    <p>${expired ? 'Sign in again: you come back to this search and order.' : 'Sign in to see the credentials.'}</p>
    <a class="button primary" href=${loginUrl(location)}>Sign in</a>
  </div>`;
}

/** The rows could not be loaded; those that were are still shown below. */
export function failureTemplate(failure: Failure, retry: () => void): TemplateResult {
  return html`<div class="alert page-alert" role="alert">
    <span>${failure.message}</span>
    ${
      failure.kind === 'forbidden'
        ? nothing
        : html`<button type="button" class="button small" @click=${retry}>Try again</button>`
    }
  </div>`;
}
