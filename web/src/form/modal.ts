import type { ReactiveController, ReactiveControllerHost } from 'lit';

export interface ModalHost extends ReactiveControllerHost {
  readonly renderRoot: HTMLElement | DocumentFragment;
  /** Takes the focus when what opened a dialog is gone. */
  takeFocus?: () => void;
}

/**
 * A native modal dialog that its host renders while `open`. What the dialog held is out of the document once it is closed;
 * the focus goes back to where it came from.
 */
export class Modal implements ReactiveController {
  open = false;
  readonly #host: ModalHost;
  readonly #id: string;
  readonly #closed: () => void;
  #opener: EventTarget | null = null;

  constructor(host: ModalHost, id: string, closed: () => void) {
    this.#host = host;
    this.#id = id;
    this.#closed = closed;
    host.addController(this);
  }

  get element(): HTMLDialogElement | null {
    return this.#host.renderRoot.querySelector<HTMLDialogElement>(`#${this.#id}`);
  }

  /** Opens the dialog. Not every browser focuses a button that is pressed: `event` tells what opened the dialog. */
  show(event?: Event): void {
    const root = this.#host.renderRoot.getRootNode();
    const focused = root instanceof Document || root instanceof ShadowRoot ? root.activeElement : null;
    this.#opener = event?.currentTarget ?? focused;
    this.open = true;
    this.#host.requestUpdate();
  }

  hostUpdated(): void {
    const dialog = this.element;
    if (this.open && dialog && !dialog.open) {
      dialog.showModal();
      dialog.querySelector<HTMLElement>('[data-first-focus]')?.focus();
    }
  }

  /** An element that is taken out of the document takes its dialog along: what was entered does not stay behind. */
  hostDisconnected(): void {
    void this.close();
  }

  /** Closes the dialog; the focus goes to `focus`, or else to what opened it. */
  async close(focus?: () => HTMLElement | null): Promise<void> {
    if (!this.open) {
      return;
    }
    for (const field of this.element?.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>('input, textarea') ??
      []) {
      field.value = '';
    }
    this.element?.close();
    this.open = false;
    this.#closed();
    this.#host.requestUpdate();
    await this.#host.updateComplete;
    const opener = this.#opener instanceof HTMLElement && this.#opener.isConnected ? this.#opener : null;
    this.#opener = null;
    const target = focus?.() ?? (opener === document.body ? null : opener);
    if (target) {
      target.focus();
    } else {
      this.#host.takeFocus?.();
    }
  }
}
