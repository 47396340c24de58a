import { type TemplateResult, html } from 'lit';

export interface SecretField {
  id: string;
  describedBy: string;
  invalid: boolean;
  required: boolean;
  shown: boolean;
  rows: number;
  toggle: () => void;
}

/**
 * A masked text area: an `<input type="password">` would drop the line breaks of a pasted PEM block, and make the browser
 * offer to keep the secret. The attributes ask password managers and spell checkers to stay away.
 */
export function secretField({ id, describedBy, invalid, required, shown, rows, toggle }: SecretField): TemplateResult {
  return html`<div class="secret">
    <textarea
      id=${id}
      class=${shown ? '' : 'masked'}
      rows=${rows}
      aria-required=${required}
      aria-invalid=${invalid}
      aria-describedby=${describedBy}
      autocomplete="off"
      autocapitalize="off"
      autocorrect="off"
      spellcheck="false"
      data-1p-ignore
      data-lpignore="true"
      data-bwignore
    ></textarea>
    <button type="button" class="button small" aria-controls=${id} aria-pressed=${shown} @click=${toggle}>Show</button>
  </div>`;
}
