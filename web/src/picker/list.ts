import { type TemplateResult, html } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { Option, Options } from './options.js';

/** The choice of no credential. */
export const NONE: Option = { id: '', name: 'None' };

export interface List {
  options: Option[];
  search: Options;
  active: number;
  value: string;
  label: string;
  choose: (option: Option) => void;
}

/** The list of options, a popover that `Placement` shows. Pressing the mouse on it must not take the focus from the field, which would close it. */
export function listTemplate({ options, search, active, value, label, choose }: List): TemplateResult {
  return html`<ul
    id="list"
    part="list"
    role="listbox"
    aria-label=${label}
    popover="manual"
    aria-busy=${search.loading}
    @mousedown=${(event: MouseEvent) => event.preventDefault()}
  >
    ${repeat(
      options,
      ({ id }) => id,
      (option, index) =>
        html`<li
          id="option-${index}"
          part="option"
          role="option"
          dir="auto"
          class=${option.id === value ? 'chosen' : ''}
          aria-selected=${index === active}
          @click=${() => choose(option)}
        >
          ${option.name}
        </li>`,
    )}
  </ul>`;
}

/** What a search has come to, in words. */
export function statusOf({ loading, failure, found, total }: Options): string {
  if (loading) {
    return 'Searching…';
  }
  if (failure) {
    return failure.kind === 'signed-out' ? 'Sign in to choose a credential.' : failure.message;
  }
  if (total === 0) {
    return 'No credential matches.';
  }
  const more = total > found.length ? `, the first ${found.length} listed` : '';
  return `${total.toLocaleString('en')} ${total === 1 ? 'credential' : 'credentials'}${more}`;
}
