import { type TemplateResult, html, nothing } from 'lit';
import { notDone } from '../api/failure.js';
import { hasStrayWhiteSpace, looksLikeSecret } from './advice.js';
import { type Entry, type EntryError, type Errors, errorsOf, failed, missing } from './entry.js';
import { Modal, type ModalHost } from './modal.js';
import { secretField } from './secret-field.js';

/** What a form is for. */
export interface Task {
  title: string;
  /** The name to begin with. */
  name: string;
  editing: boolean;
  /** Sends the entry. Resolves to what is wrong with it: nothing, when it was taken. Rejects with a `Failure`. */
  send: (entry: Entry) => Promise<EntryError[]>;
  /** Where the focus goes once the entry was taken; what opened the form, without it. */
  focus?: () => HTMLElement | null;
  /** Tells what is wrong with an entry whose form was closed before the answer came. */
  tell?: (problem: string) => void;
}

/**
 * The dialog in which a credential is added or edited. The value is only in its text area: never in a property or an
 * attribute, and gone with the dialog.
 */
export class CredentialForm {
  readonly #host: ModalHost;
  readonly #modal: Modal;
  readonly #loginUrl: string | undefined;
  #task: Task | undefined;
  #errors: Errors = {};
  #saving = false;
  #shown = false;
  #asksToDiscard = false;
  #nameWarning = false;
  #valueWarning = false;
  #pastedReturns = false;

  constructor(host: ModalHost, loginUrl?: string) {
    this.#host = host;
    this.#loginUrl = loginUrl;
    this.#modal = new Modal(host, 'credential-form', () => this.#forget());
  }

  get open(): boolean {
    return this.#modal.open;
  }

  get dirty(): boolean {
    return this.open && (this.#name?.value !== this.#task?.name || this.#value?.value !== '');
  }

  /** Opens the form; `event` is the one that asked for it. */
  start(task: Task, event?: Event): void {
    this.#forget();
    this.#task = task;
    document.addEventListener('keydown', this.#escape);
    this.#modal.show(event);
  }

  get #name(): HTMLInputElement | null {
    return this.#modal.element?.querySelector('input') ?? null;
  }

  get #value(): HTMLTextAreaElement | null {
    return this.#modal.element?.querySelector('textarea') ?? null;
  }

  #forget(): void {
    document.removeEventListener('keydown', this.#escape);
    this.#errors = {};
    this.#saving = this.#shown = this.#asksToDiscard = this.#nameWarning = false;
    this.#valueWarning = this.#pastedReturns = false;
  }

  readonly #cancel = (event: Event): void => {
    event.preventDefault();
    if (this.#saving) {
      return;
    }
    if (this.dirty && !this.#asksToDiscard) {
      this.#asksToDiscard = true;
      this.#focusAfterUpdate('[data-keep]');
    } else if (this.#asksToDiscard && event.type !== 'click') {
      this.#keep();
    } else {
      void this.#modal.close();
    }
  };

  readonly #keep = (): void => {
    this.#asksToDiscard = false;
    this.#focusAfterUpdate('input');
  };

  /** Browsers that do not know `closedby` close a dialog without asking when they are asked twice. */
  readonly #closed = (event: Event): void => {
    if (event.target === this.#modal.element) {
      this.#discard();
    }
  };

  readonly #discard = (): void => void this.#modal.close();

  readonly #input = (event: Event): void => {
    // What is typed here is no change of the form that a picker belongs to.
    event.stopPropagation();
    this.#nameWarning = looksLikeSecret(this.#name?.value ?? '');
    this.#valueWarning = hasStrayWhiteSpace(this.#value?.value ?? '');
    this.#host.requestUpdate();
  };

  /** A text area turns the line breaks of Windows into those of Unix, whatever a page does. */
  readonly #paste = (event: ClipboardEvent): void => {
    if (event.target === this.#value) {
      this.#pastedReturns = event.clipboardData?.getData('text').includes('\r\n') ?? false;
      this.#host.requestUpdate();
    }
  };

  /** Esc asks here rather than in the browser, which asks once and then closes; also while nothing has the focus. */
  readonly #escape = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && !event.isComposing) {
      this.#cancel(event);
    }
  };

  readonly #keydown = (event: KeyboardEvent): void => {
    event.stopPropagation();
    this.#escape(event);
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      void this.#submit(event);
    }
  };

  readonly #submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    event.stopPropagation();
    const task = this.#task;
    if (!task || this.#saving || this.#asksToDiscard) {
      return;
    }
    const entry = { name: this.#name?.value ?? '', value: this.#value?.value ?? '' };
    this.#errors = missing(entry, task.editing);
    if (this.#errors.name ?? this.#errors.value) {
      this.#focusError();
      return;
    }
    this.#saving = true;
    this.#host.requestUpdate();
    const errors = await task.send(entry).then(errorsOf, failed);
    // A dialog that the browser has closed says so only later.
    if (!this.open || this.#task !== task || !this.#modal.element?.open) {
      tellLost(task, entry, errors);
      return;
    }
    this.#errors = errors;
    this.#saving = false;
    if (Object.keys(this.#errors).length === 0) {
      await this.#modal.close(task.focus);
    } else {
      this.#focusError();
    }
  };

  #focusError(): void {
    this.#focusAfterUpdate('[aria-invalid=true], .alert');
  }

  #focusAfterUpdate(selector: string): void {
    this.#host.requestUpdate();
    void this.#host.updateComplete.then(() => {
      this.#modal.element?.querySelector<HTMLElement>(selector)?.focus();
    });
  }

  render(): TemplateResult | typeof nothing {
    const task = this.#task;
    if (!this.open || !task) {
      return nothing;
    }
    return html`<dialog
      id="credential-form"
      class="dialog"
      part="dialog"
      aria-labelledby="form-title"
      closedby="none"
      @cancel=${this.#cancel}
      @close=${this.#closed}
      @input=${this.#input}
      @change=${stop}
      @paste=${this.#paste}
      @keydown=${this.#keydown}
      @keypress=${stop}
      @keyup=${stop}
      @beforeinput=${stop}
    >
      <form novalidate autocomplete="off" aria-busy=${this.#saving} @submit=${this.#submit}>
        <h2 id="form-title">${task.title}</h2>
        ${this.#alert()} ${this.#nameField(task)} ${this.#valueField(task)}
        ${task.editing ? html`<p class="note">The ID stays the same; references keep working.</p>` : nothing}
        <div class="actions">${this.#asksToDiscard ? this.#discardQuestion() : this.#buttons()}</div>
      </form>
    </dialog>`;
  }

  #alert(): TemplateResult | typeof nothing {
    const { form, kind } = this.#errors;
    return form === undefined
      ? nothing
      : html`<div class="alert" role="alert" tabindex="-1">
          ${form}
          ${kind === 'unreachable' ? 'Nothing of what you entered is lost: try again.' : nothing}
          ${
            kind === 'signed-out' && this.#loginUrl
              ? html`<a href=${this.#loginUrl} target="_blank" rel="noopener">Sign in in a new tab</a>, then save again.`
              : nothing
          }
        </div>`;
  }

  #nameField(task: Task): TemplateResult {
    return html`<div class="field">
      <label for="credential-name">Name</label>
      <input
        id="credential-name"
        data-first-focus
        .defaultValue=${task.name}
        aria-required="true"
        aria-invalid=${this.#errors.name !== undefined}
        aria-describedby="name-error name-warning name-hint"
        autocomplete="off"
        autocapitalize="off"
        autocorrect="off"
        spellcheck="false"
        data-1p-ignore
        data-lpignore="true"
        data-bwignore
      />
      <p id="name-error" class="error">${this.#errors.name}</p>
      <p id="name-warning" class="warning" role="status">
        ${this.#nameWarning ? 'This looks like a secret. Everyone who can list credentials sees the name.' : nothing}
      </p>
      <p id="name-hint" class="hint">What it is for, such as OPENAI_PROD_API_KEY. Everyone sees the name.</p>
    </div>`;
  }

  #valueField(task: Task): TemplateResult {
    return html`<div class="field">
      <label for="credential-value">${task.editing ? 'New value' : 'Value'}</label>
      ${secretField({
        id: 'credential-value',
        describedBy: 'value-error value-warning value-hint',
        invalid: this.#errors.value !== undefined,
        required: !task.editing,
        shown: this.#shown,
        rows: 4,
        toggle: () => {
          this.#shown = !this.#shown;
          this.#host.requestUpdate();
        },
      })}
      <p id="value-error" class="error">${this.#errors.value}</p>
      <p id="value-warning" class="warning" role="status">
        ${this.#valueWarning ? 'There is white space at the start or the end. It is kept as it is. ' : nothing}
        ${this.#pastedReturns ? 'The line breaks were those of Windows (CR LF). They are kept as LF.' : nothing}
      </p>
      <p id="value-hint" class="hint">
        ${task.editing ? 'Leave it empty to keep the present value.' : 'It cannot be read back here.'}
      </p>
    </div>`;
  }

  #buttons(): TemplateResult {
    return html`<button type="button" class="button" @click=${this.#cancel}>Cancel</button>
      <button type="submit" class="button primary">${this.#saving ? 'Saving…' : 'Save'}</button>`;
  }

  #discardQuestion(): TemplateResult {
    return html`<p id="discard-question">Discard changes?</p>
      <button type="button" class="button" data-keep aria-describedby="discard-question" @click=${this.#keep}>
        Keep editing
      </button>
      <button type="button" class="button danger" @click=${this.#discard}>Discard</button>`;
  }
}

function tellLost(task: Task, { name }: Entry, errors: Errors): void {
  const problem = errors.form ?? errors.name ?? errors.value;
  if (problem !== undefined) {
    task.tell?.(`${notDone(name.trim(), 'saved', errors.kind)} ${problem}`);
  }
}

function stop(event: Event): void {
  event.stopPropagation();
}
