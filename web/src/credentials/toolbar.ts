import { type TemplateResult, html, nothing } from 'lit';
import { type View, orderKey } from './view-url.js';

const ORDERS: [string, string][] = [
  ['name-asc', 'Name, A to Z'],
  ['name-desc', 'Name, Z to A'],
  ['created-desc', 'Created, latest first'],
  ['created-asc', 'Created, earliest first'],
  ['updated-desc', 'Updated, latest first'],
  ['updated-asc', 'Updated, earliest first'],
];

export interface ToolbarActions {
  search: (query: string) => void;
  searchNow: (query: string) => void;
  order: (key: string) => void;
  add: (event: Event) => void;
}

/** Search, order (on narrow screens, where the table has no head) and Add. */
export function toolbarTemplate(view: View, mayAdd: boolean, actions: ToolbarActions): TemplateResult {
  const typed = (event: Event): string => (event.target as HTMLInputElement).value;
  return html`<form
    class="toolbar"
    role="search"
    @submit=${(event: SubmitEvent) => {
      event.preventDefault();
      actions.searchNow(new FormData(event.target as HTMLFormElement).get('q')?.toString() ?? '');
    }}
  >
    <label class="search">
      <span class="visually-hidden">Search by name</span>
      <input
        type="search"
        name="q"
        placeholder="Search by name"
        autocomplete="off"
        autocapitalize="off"
        spellcheck="false"
        aria-keyshortcuts="/"
        .value=${view.query}
        @input=${(event: Event) => actions.search(typed(event))}
        @keydown=${(event: KeyboardEvent) => {
          if (event.key === 'Escape') {
            (event.target as HTMLInputElement).value = '';
            actions.searchNow('');
          }
        }}
      />
    </label>
    <label class="order">
      <span class="visually-hidden">Order</span>
      <select @change=${(event: Event) => actions.order((event.target as HTMLSelectElement).value)}>
        ${ORDERS.map(
          ([key, label]) => html`<option value=${key} .selected=${key === orderKey(view.order)}>${label}</option>`,
        )}
      </select>
    </label>
    ${mayAdd ? html`<button type="button" class="button primary" data-add @click=${actions.add}>Add</button>` : nothing}
  </form>`;
}
