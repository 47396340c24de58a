import { type PropertyValues, type TemplateResult, html, nothing, unsafeCSS } from 'lit';
import { AddOption } from '../../generated/picker.js';
import { ask } from '../api/ask.js';
import { Failure, NO_ANSWER_MESSAGE } from '../api/failure.js';
import { CredentialForm, type Task } from '../form/credential-form.js';
import type { Entry, EntryError } from '../form/entry.js';
import formStyle from '../style/form.css?inline';
import { Choice } from './choice.js';
import { type Ask, type GetToken, doorOf, mayAsk } from './door.js';
import { FormField } from './form-field.js';
import { NONE, listTemplate, statusOf } from './list.js';
import { type Option, Options } from './options.js';
import pickerStyle from './picker.css?inline';
import { Placement } from './placement.js';

/** Where the server is, unless the attribute `endpoint` says otherwise: where this script came from. */
const OWN_ENDPOINT = new URL('/graphql', new URL(import.meta.url)).href;

/**
 * A field of a form that chooses a credential by name and holds its ID. See `docs/picker.md` for its attributes,
 * properties, events, parts and custom properties.
 */
export class CredentialPicker extends FormField {
  static override readonly styles = [unsafeCSS(formStyle), unsafeCSS(pickerStyle)];
  static override readonly properties = {
    name: { reflect: true },
    label: {},
    required: { type: Boolean, reflect: true },
    disabled: { type: Boolean, reflect: true },
    endpoint: {},
    defaultValue: { attribute: 'value' },
    value: { attribute: false, noAccessor: true },
    getToken: { attribute: false },
    open: { state: true },
    active: { state: true },
    typed: { state: true },
    canAdd: { state: true },
    formDisabled: { state: true },
  };

  declare name: string;
  declare label: string;
  declare required: boolean;
  declare disabled: boolean;
  declare endpoint: string;
  declare defaultValue: string;
  declare getToken: GetToken | undefined;
  declare open: boolean;
  /** The ID of the option that the arrow keys are at: that of `NONE` is empty. */
  declare active: string | undefined;
  /** What is being typed, while something is. */
  declare typed: string | undefined;
  declare canAdd: boolean;

  /** Asks, and shows Add to those who may add: unless the door is another one by then. */
  readonly #ask: Ask = async (document, variables, signal) => {
    const { getToken } = this;
    const endpoint = this.#url;
    const door = await doorOf(endpoint, getToken);
    const answer = await ask(document, variables, signal ? { ...door, signal } : door);
    if (getToken === this.getToken && endpoint === this.#url) {
      this.canAdd = answer.viewerCanCreateCredential;
    }
    return answer;
  };

  readonly #choice = new Choice(this, this.#ask);
  readonly #options = new Options(this, this.#ask);
  readonly #form = new CredentialForm(this);
  readonly #placement = new Placement();
  /** Whether the value was set by a person or a script: from then on the attribute is only what a reset goes back to. */
  #touched = false;

  constructor() {
    super();
    this.name = this.label = this.endpoint = this.defaultValue = '';
    this.required = this.disabled = this.open = this.canAdd = this.formDisabled = false;
  }

  /** The ID of the chosen credential, or an empty text. */
  get value(): string {
    return this.#choice.id;
  }

  set value(id: string) {
    this.#touched = true;
    this.#choose({ id: id ?? '', name: undefined });
    this.#learn();
  }

  formResetCallback(): void {
    this.#touched = false;
    this.#choose({ id: this.defaultValue ?? '', name: undefined });
    this.#learn();
  }

  formStateRestoreCallback(state: string): void {
    this.value = state;
  }

  get #url(): string {
    return this.endpoint ? new URL(this.endpoint, document.baseURI).href : OWN_ENDPOINT;
  }

  get #field(): HTMLInputElement | null {
    return this.renderRoot.querySelector<HTMLInputElement>('#field');
  }

  #choose({ id, name }: { id: string; name: string | undefined }): void {
    this.#choice.set(id, name);
    this.internals.setFormValue(id);
    this.#validate();
    this.#close();
  }

  #validate(): void {
    const missing = this.required && this.value === '';
    const field = this.hasUpdated ? this.#field : null;
    this.internals.setValidity({ valueMissing: missing }, missing ? 'Choose a credential.' : '', field ?? undefined);
  }

  /** What a person chooses is told to the host's form, as any field does. */
  #chooseAndTell(option: { id: string; name: string | undefined }): void {
    this.#touched = true;
    const changed = option.id !== this.value;
    this.#choose(option);
    if (changed) {
      this.dispatchEvent(new Event('input', { bubbles: true, composed: true }));
      this.dispatchEvent(new Event('change', { bubbles: true }));
    }
  }

  /** Learns the name of the choice, when it is not known; `anew`, when it is not known either whether one may add. */
  #learn(anew = false): void {
    if (this.isConnected && this.#mayAsk && (anew || this.#choice.isNameless)) {
      void this.#choice.learn();
    }
  }

  #close(): void {
    this.#options.stop();
    this.open = false;
    this.active = undefined;
    this.typed = undefined;
  }

  get #mayAsk(): boolean {
    return mayAsk(this.#url, this.getToken);
  }

  #openList(): void {
    if (this.open) {
      return;
    }
    this.open = true;
    if (this.#mayAsk) {
      void this.#options.search(this.typed ?? '');
      // What could not be found out before is asked again.
      this.#learn();
    } else {
      this.#options.refuse(new Failure('signed-out', 'There is no token.'));
    }
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('defaultValue') && !this.#touched) {
      this.#choose({ id: this.defaultValue ?? '', name: undefined });
    }
    if (changed.has('endpoint') || changed.has('getToken')) {
      this.canAdd = false;
    }
    if (this.open && this.#disabled) {
      this.#close();
    }
  }

  protected override updated(changed: PropertyValues<this>): void {
    this.#validate();
    this.#placeList();
    const isOtherDoor = changed.has('endpoint') || changed.has('getToken');
    if (isOtherDoor || changed.has('defaultValue')) {
      this.#learn(isOtherDoor);
    }
  }

  #placeList(): void {
    const list = this.renderRoot.querySelector<HTMLElement>('#list');
    const field = this.#field;
    if (list && field && this.#listOpen) {
      this.#placement.show(list, field);
    } else {
      this.#placement.hide();
    }
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#close();
    this.#placement.hide();
  }

  get #disabled(): boolean {
    return this.disabled || this.formDisabled;
  }

  get #listOpen(): boolean {
    return this.open && this.#listed.length > 0;
  }

  get #activeIndex(): number {
    return this.#listed.findIndex(({ id }) => id === this.active);
  }

  /** The options that are listed, `NONE` among them. */
  get #listed(): Option[] {
    const none = this.required || this.typed ? [] : [NONE];
    return [...none, ...this.#options.found];
  }

  readonly #input = (event: InputEvent): void => {
    event.stopPropagation();
    this.typed = this.#field?.value ?? '';
    this.active = undefined;
    if (this.#mayAsk) {
      this.open = true;
      this.#options.searchSoon(this.typed);
    }
  };

  /** A field that was emptied and left chooses none, unless the form wants a choice. */
  readonly #blur = (): void => {
    if (this.typed?.trim() === '' && !this.required) {
      this.#chooseAndTell(NONE);
    }
    this.#close();
  };

  readonly #keydown = (event: KeyboardEvent): void => {
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.altKey && event.key === 'ArrowDown') {
      event.preventDefault();
      this.#openList();
    } else if (move !== undefined && !event.altKey) {
      event.preventDefault();
      this.#move(move);
    } else if (event.key === 'Enter' && this.open) {
      event.preventDefault();
      const listed = this.#listed;
      // Enter takes the only match, too, once it is known to be the only one.
      const only = this.#options.loading || listed.length > 1 ? undefined : listed[0];
      const option = listed[this.#activeIndex] ?? only;
      if (option) {
        this.#chooseAndTell(option);
      }
    } else if (event.key === 'Escape' && this.open) {
      // The host's dialog, if it is in one, stays.
      event.preventDefault();
      event.stopPropagation();
      this.#close();
    }
  };

  #move(by: number): void {
    if (!this.open) {
      this.#openList();
      return;
    }
    const listed = this.#listed;
    const count = listed.length;
    if (count > 0) {
      const present = this.#activeIndex;
      this.active = listed[present < 0 && by < 0 ? count - 1 : (present + by + count) % count]?.id;
      void this.updateComplete.then(() =>
        this.renderRoot.querySelector('[role=option][aria-selected=true]')?.scrollIntoView({ block: 'nearest' }),
      );
    }
  }

  readonly #add = (event: Event): void => {
    const name = this.typed ?? '';
    this.#close();
    const task: Task = {
      title: 'Add credential',
      name,
      editing: false,
      send: (entry) => this.#create(entry),
      focus: () => this.#field,
    };
    this.#form.start(task, event);
  };

  async #create({ name, value }: Entry): Promise<EntryError[]> {
    const { createCredential: payload } = await ask(
      AddOption,
      { input: { name, value } },
      await doorOf(this.#url, this.getToken),
    );
    const created = payload?.credential;
    if (!created) {
      return payload?.userErrors ?? [{ field: null, message: NO_ANSWER_MESSAGE }];
    }
    const detail = { id: created.id, name: created.name };
    this.dispatchEvent(new CustomEvent('credential-created', { bubbles: true, composed: true, detail }));
    this.#chooseAndTell(created);
    return [];
  }

  protected override render(): TemplateResult {
    const disabled = this.#disabled;
    const activeIndex = this.#activeIndex;
    const label = this.label || this.labelText || 'Credential';
    return html`${this.label ? html`<label part="label" for="field">${this.label}</label>` : nothing}
      <div class="line">
        <div class="box">
          <input
            id="field"
            part="input"
            role="combobox"
            autocomplete="off"
            autocapitalize="off"
            spellcheck="false"
            placeholder="None"
            aria-label=${label}
            aria-expanded=${this.#listOpen}
            aria-controls="list"
            aria-autocomplete="list"
            aria-required=${this.required}
            aria-invalid=${this.#choice.missing}
            aria-describedby="status"
            aria-activedescendant=${this.open && activeIndex >= 0 ? `option-${activeIndex}` : nothing}
            ?disabled=${disabled}
            .value=${this.typed ?? this.#choice.text}
            @click=${() => this.#openList()}
            @focus=${() => this.#field?.select()}
            @blur=${this.#blur}
            @input=${this.#input}
            @change=${(event: Event) => event.stopPropagation()}
            @keydown=${this.#keydown}
          />
          ${listTemplate({
            options: this.#listed,
            search: this.#options,
            active: activeIndex,
            value: this.value,
            label,
            choose: (option) => this.#chooseAndTell(option),
          })}
        </div>
        ${
          this.canAdd
            ? html`<button type="button" part="add" class="button" ?disabled=${disabled} @mousedown=${keepFocus} @click=${this.#add}>
              Add
            </button>`
            : nothing
        }
      </div>
      <p id="status" part="status" class=${this.#choice.missing && !this.open ? 'error' : 'hint'} role="status">
        ${this.open ? statusOf(this.#options) : this.#choice.missing ? 'No credential has this ID any more.' : nothing}
      </p>
      ${this.#form.render()}`;
  }
}

/** Without this, pressing the button would take the focus, and what was typed with it, before the click. */
function keepFocus(event: MouseEvent): void {
  event.preventDefault();
}
