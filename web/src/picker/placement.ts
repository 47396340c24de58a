const GAP_PIXELS = 4;
const MARGIN_PIXELS = 8;
const HEIGHT_LIMIT_PIXELS = 240;

/**
 * Shows a popover at a field: below it, or above it where there is more room. It is in the top layer, so that no dialog or
 * frame of the host's page cuts it off, and follows the field when something scrolls.
 */
export class Placement {
  #list: HTMLElement | undefined;
  #field: HTMLElement | undefined;

  show(list: HTMLElement, field: HTMLElement): void {
    if (!list.matches(':popover-open')) {
      list.showPopover();
      window.addEventListener('scroll', this.#place, { capture: true, passive: true });
      window.addEventListener('resize', this.#place);
    }
    this.#list = list;
    this.#field = field;
    this.#place();
  }

  hide(): void {
    window.removeEventListener('scroll', this.#place, { capture: true });
    window.removeEventListener('resize', this.#place);
    if (this.#list?.matches(':popover-open')) {
      this.#list.hidePopover();
    }
    this.#list = this.#field = undefined;
  }

  readonly #place = (): void => {
    const { style } = this.#list ?? {};
    const field = this.#field?.getBoundingClientRect();
    if (!style || !field) {
      return;
    }
    const { clientHeight } = document.documentElement;
    const above = field.top - GAP_PIXELS - MARGIN_PIXELS;
    const below = clientHeight - field.bottom - GAP_PIXELS - MARGIN_PIXELS;
    const height = Math.min(HEIGHT_LIMIT_PIXELS, this.#list?.scrollHeight ?? 0);
    const isAbove = below < height && above > below;
    style.left = `${field.left}px`;
    style.width = `${field.width}px`;
    style.top = isAbove ? 'auto' : `${field.bottom + GAP_PIXELS}px`;
    style.bottom = isAbove ? `${clientHeight - field.top + GAP_PIXELS}px` : 'auto';
    style.maxHeight = `${Math.max(0, Math.min(HEIGHT_LIMIT_PIXELS, isAbove ? above : below))}px`;
  };
}
