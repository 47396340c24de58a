import { AddRow, DeleteRow, EditRow, PresentVersion } from '../../generated/page.js';
import { ask } from '../api/ask.js';
import { type FailureKind, NO_ANSWER_MESSAGE, failureFrom, notDone } from '../api/failure.js';
import type { Entry, EntryError } from '../form/entry.js';
import type { CredentialList, Row } from './credential-list.js';

const DOOR = { endpoint: '/graphql' };
const NO_ANSWER: EntryError = { field: null, message: NO_ANSWER_MESSAGE };
const REPLACED =
  'Someone replaced the value after you opened this. Save again to replace theirs with yours, or cancel to keep it.';
const REPLACED_OR_SAVED =
  'The value was replaced after you opened this: when you saved before, which got no answer, or by someone else. Save again to replace it with yours, or cancel to keep it.';

/** What a person who edits has seen, and may have done. */
export interface Expected {
  /** The version of the value that was there. */
  valueVersion: number;
  /** Whether a new value was sent and no answer came: it may be there. */
  lost: boolean;
}

/** What people change, on the server and in the list. */
export class Changes {
  readonly #list: CredentialList;

  constructor(list: CredentialList) {
    this.#list = list;
  }

  async add({ name, value }: Entry): Promise<{ row?: Row; errors: EntryError[] }> {
    const { createCredential: payload } = await ask(AddRow, { input: { name, value } }, DOOR).catch(this.#failed);
    if (!payload?.credential) {
      return { errors: payload?.userErrors ?? [NO_ANSWER] };
    }
    this.#list.add(payload.credential);
    return { row: payload.credential, errors: [] };
  }

  /**
   * Renames a credential, replaces its value, or both. The new name is in the list at once, and taken back when the server
   * refuses it.
   */
  async edit(row: Row, { name, value }: Entry, expected: Expected): Promise<{ said?: string; errors: EntryError[] }> {
    const renamed = name.trim() !== row.name;
    if (!renamed && value === '') {
      return { said: `“${row.name}” is as it was.`, errors: [] };
    }
    const input = {
      credentialId: row.id,
      ...(renamed ? { name } : {}),
      ...(value === '' ? {} : { value, expectedValueVersion: expected.valueVersion }),
    };
    this.#list.replace(row.id, { name: name.trim() });
    try {
      const { updateCredential: payload } = await ask(EditRow, { input }, DOOR);
      if (payload?.credential) {
        this.#list.replace(row.id, payload.credential);
        this.#list.settle();
        return { said: saidOf(payload.credential.name, renamed, value !== ''), errors: [] };
      }
      this.#list.replace(row.id, { name: row.name });
      return { errors: await this.#explain(row, payload?.userErrors ?? [], expected) };
    } catch (error) {
      this.#list.replace(row.id, { name: row.name });
      const failure = failureFrom(error);
      expected.lost ||= value !== '' && failure.kind === 'unreachable';
      return this.#failed(failure);
    }
  }

  async #explain(row: Row, userErrors: (EntryError & { code: string })[], expected: Expected): Promise<EntryError[]> {
    if (!userErrors.some(({ code }) => code === 'VERSION_CONFLICT')) {
      return userErrors.length > 0 ? userErrors : [NO_ANSWER];
    }
    const { credential } = await ask(PresentVersion, { id: row.id }, DOOR);
    expected.valueVersion = credential?.valueVersion ?? expected.valueVersion;
    const message = expected.lost ? REPLACED_OR_SAVED : REPLACED;
    expected.lost = false;
    return [{ field: ['value'], message }];
  }

  /** What a request that failed as a whole may have changed nevertheless, the list is to show. */
  readonly #failed = (error: unknown): never => {
    const failure = failureFrom(error);
    if (failure.kind === 'unreachable') {
      void this.#list.load();
    }
    throw failure;
  };

  /** Deletes a credential. Its row is gone at once, and back at its place when the server refuses. */
  async remove(row: Row, force: boolean): Promise<{ inUse?: boolean; problem?: string }> {
    const putBack = this.#list.remove(row.id);
    try {
      const { deleteCredential: payload } = await ask(DeleteRow, { input: { credentialId: row.id, force } }, DOOR);
      const [error] = payload?.userErrors ?? [];
      if (payload?.deletedCredentialId != null || error?.code === 'DELETED' || error?.code === 'NOT_FOUND') {
        // That another tab or person was quicker is what was wanted. A load meanwhile may have brought the row back.
        this.#list.remove(row.id);
        this.#list.settle();
        return {};
      }
      putBack();
      return error?.code === 'IN_USE'
        ? { inUse: true }
        : { problem: notDeleted(row, error?.message ?? NO_ANSWER_MESSAGE) };
    } catch (error) {
      putBack();
      const failure = failureFrom(error);
      if (failure.kind === 'signed-out') {
        this.#list.fail(failure);
      } else if (failure.kind === 'unreachable') {
        void this.#list.load();
      }
      return { problem: notDeleted(row, failure.message, failure.kind) };
    }
  }
}

function notDeleted({ name }: Row, message: string, kind?: FailureKind): string {
  return `${notDone(name, 'deleted', kind)} ${message}`;
}

function saidOf(name: string, renamed: boolean, replaced: boolean): string {
  if (renamed && replaced) {
    return `Renamed “${name}” and replaced its value.`;
  }
  return renamed ? `Renamed to “${name}”.` : `Replaced the value of “${name}”.`;
}
