import { type TemplateResult, html, nothing } from 'lit';
import { Modal, type ModalHost } from '../form/modal.js';
import type { Row } from './credential-list.js';
import { UsesList, usesTemplate } from './uses.js';

/** The dialog that shows what uses a credential. */
export class UsesDialog {
  readonly #host: ModalHost;
  readonly #modal: Modal;
  #row: Row | undefined;
  #uses: UsesList | undefined;

  constructor(host: ModalHost) {
    this.#host = host;
    this.#modal = new Modal(host, 'uses-dialog', () => (this.#uses = undefined));
  }

  start(row: Row, event: Event): void {
    this.#row = row;
    this.#uses = new UsesList(this.#host, row.id);
    this.#modal.show(event);
  }

  readonly #close = (event: Event): void => {
    event.preventDefault();
    void this.#modal.close();
  };

  render(): TemplateResult | typeof nothing {
    if (!this.#modal.open || !this.#uses) {
      return nothing;
    }
    return html`<dialog id="uses-dialog" class="dialog" aria-labelledby="uses-title" @cancel=${this.#close}>
      <h2 id="uses-title">What uses “<bdi>${this.#row?.name}</bdi>”</h2>
      ${usesTemplate(this.#uses)}
      <div class="actions"><button type="button" class="button" data-first-focus @click=${this.#close}>Close</button></div>
    </dialog>`;
  }
}
