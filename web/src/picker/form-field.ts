import { LitElement } from 'lit';

/** An element that a form takes for one of its fields: what the fields of HTML have for scripts, by the browser's own means. */
export abstract class FormField extends LitElement {
  static readonly formAssociated = true;
  static override readonly shadowRootOptions: ShadowRootInit = {
    ...LitElement.shadowRootOptions,
    delegatesFocus: true,
  };

  /** Whether the field, or a `<fieldset>` around it, is disabled. */
  declare formDisabled: boolean;
  protected readonly internals = this.attachInternals();

  get form(): HTMLFormElement | null {
    return this.internals.form;
  }

  get validity(): ValidityState {
    return this.internals.validity;
  }

  get validationMessage(): string {
    return this.internals.validationMessage;
  }

  get willValidate(): boolean {
    return this.internals.willValidate;
  }

  checkValidity(): boolean {
    return this.internals.checkValidity();
  }

  reportValidity(): boolean {
    return this.internals.reportValidity();
  }

  formDisabledCallback(disabled: boolean): void {
    this.formDisabled = disabled;
  }

  /** What the labels of the page that name the field say. */
  protected get labelText(): string {
    return [...this.internals.labels].map((label) => label.textContent?.trim()).join(' ');
  }
}
