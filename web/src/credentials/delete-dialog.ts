import { type TemplateResult, html, nothing } from 'lit';
import { Modal, type ModalHost } from '../form/modal.js';
import type { Row } from './credential-list.js';
import { UsesList, usesTemplate } from './uses.js';

/** Deletes a row, whose dialog has closed; `force` although consumers declare that they use it. */
export type Delete = (row: Row, force: boolean) => void;

/**
 * The dialog that asks before a credential is deleted. It shows what uses it; when something declares that it does, the name
 * has to be typed.
 */
export class DeleteDialog {
  readonly #host: ModalHost;
  readonly #modal: Modal;
  readonly #delete: Delete;
  #row: Row | undefined;
  #uses: UsesList | undefined;
  #knownInUse = false;
  #mistyped = false;

  constructor(host: ModalHost, confirmed: Delete) {
    this.#host = host;
    this.#delete = confirmed;
    this.#modal = new Modal(host, 'delete-dialog', () => (this.#uses = undefined));
  }

  /** Asks; `event` is the one that wants it. Without one, the server has said that consumers declare the credential. */
  start(row: Row, event?: Event): void {
    this.#row = row;
    this.#knownInUse = event === undefined;
    this.#mistyped = false;
    this.#uses = new UsesList(this.#host, row.id);
    this.#modal.show(event);
  }

  get #inUse(): boolean {
    return this.#knownInUse || this.#uses?.declared === true;
  }

  readonly #cancel = (event: Event): void => {
    event.preventDefault();
    void this.#modal.close();
  };

  readonly #submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const row = this.#row;
    if (!row || !this.#modal.open || this.#uses?.loading) {
      return;
    }
    const force = this.#inUse;
    const typed = this.#modal.element?.querySelector('input');
    if (force && typed?.value.trim() !== row.name) {
      this.#mistyped = true;
      this.#host.requestUpdate();
      await this.#host.updateComplete;
      this.#modal.element?.querySelector('input')?.focus();
      return;
    }
    await this.#modal.close();
    this.#delete(row, force);
  };

  render(): TemplateResult | typeof nothing {
    const uses = this.#uses;
    if (!this.#modal.open || !this.#row || !uses) {
      return nothing;
    }
    return html`<dialog
      id="delete-dialog"
      class="dialog"
      role="alertdialog"
      aria-labelledby="delete-title"
      aria-describedby="delete-text"
      @cancel=${this.#cancel}
    >
      <form novalidate autocomplete="off" @submit=${this.#submit}>
        <h2 id="delete-title">Delete “<bdi>${this.#row.name}</bdi>”?</h2>
        <p id="delete-text">${this.#consequence(uses)}</p>
        ${usesTemplate(uses)} ${this.#inUse ? this.#nameField(this.#row.name) : nothing}
        <div class="actions">
          <button type="button" class="button" data-first-focus @click=${this.#cancel}>Cancel</button>
          <button type="submit" class="button danger" aria-disabled=${uses.loading}>Delete</button>
        </div>
      </form>
    </dialog>`;
  }

  #consequence(uses: UsesList): string {
    const gone = 'The value will be gone for good.';
    if (uses.loading || uses.failure) {
      return gone;
    }
    return uses.total === 0
      ? `${gone} Nothing is known to use it.`
      : `${gone} What uses it will fail: edit it instead to replace the value.`;
  }

  #nameField(name: string): TemplateResult {
    return html`<div class="field">
      <label for="delete-name">Type <strong dir="auto">${name}</strong> to delete it although it is in use</label>
      <input
        id="delete-name"
        aria-required="true"
        aria-invalid=${this.#mistyped}
        aria-describedby="delete-error"
        autocomplete="off"
        autocapitalize="off"
        autocorrect="off"
        spellcheck="false"
      />
      <p id="delete-error" class="error">${this.#mistyped ? 'This is not the name.' : nothing}</p>
    </div>`;
  }
}
