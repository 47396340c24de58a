import type { ReactiveControllerHost } from 'lit';
import { Option as OptionQuery } from '../../generated/picker.js';
import { type Door, ask } from '../api/ask.js';

/** What a picker holds: the ID, and what the server says its name is. */
export class Choice {
  id = '';
  name: string | undefined;
  /** Whether the server has no credential of this ID. */
  missing = false;
  readonly #host: ReactiveControllerHost;
  readonly #door: () => Promise<Door>;

  constructor(host: ReactiveControllerHost, door: () => Promise<Door>) {
    this.#host = host;
    this.#door = door;
  }

  set(id: string, name?: string): void {
    this.id = id;
    this.name = name;
    this.missing = false;
    this.#host.requestUpdate();
  }

  /** Asks for the name, when it is not known. Without an answer the ID is shown. */
  async learnName(): Promise<void> {
    const { id } = this;
    if (id === '' || this.name !== undefined) {
      return;
    }
    const answer = await ask(OptionQuery, { id }, await this.#door()).catch(() => undefined);
    if (answer && this.id === id) {
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
