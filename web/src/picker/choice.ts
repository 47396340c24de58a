import type { ReactiveControllerHost } from 'lit';
import { Start } from '../../generated/picker.js';
import type { Ask } from './door.js';

/** What a picker holds: the ID, and what the server says its name is. */
export class Choice {
  id = '';
  name: string | undefined;
  /** Whether the server has no credential of this ID. */
  missing = false;
  readonly #host: ReactiveControllerHost;
  readonly #ask: Ask;

  constructor(host: ReactiveControllerHost, ask: Ask) {
    this.#host = host;
    this.#ask = ask;
  }

  set(id: string, name?: string): void {
    this.id = id;
    this.name = name;
    this.missing = false;
    this.#host.requestUpdate();
  }

  /** Whether there is a choice whose name is not known. */
  get isNameless(): boolean {
    return this.id !== '' && this.name === undefined;
  }

  /** Asks for the name, when there is a choice. Without an answer the ID is shown. */
  async learn(): Promise<void> {
    const { id } = this;
    const answer = await this.#ask(Start, { id, chosen: id !== '' }).catch(() => undefined);
    if (answer?.credential !== undefined && this.id === id) {
      this.name = answer.credential?.name;
      this.missing = answer.credential === null;
      this.#host.requestUpdate();
    }
  }

  /** What stands in the field. */
  get text(): string {
    return this.missing ? `Missing credential ${this.id.slice(0, 8)}…` : (this.name ?? this.id);
  }
}
