import { AddRow, DeleteRow, EditRow, PresentVersion } from '../../generated/page.js';
import { ask } from '../api/ask.js';
import { Failure } from '../api/failure.js';
import type { Entry, EntryError } from '../form/entry.js';
import type { CredentialList, Row } from './credential-list.js';

const DOOR = { endpoint: '/graphql' };
const NO_ANSWER: EntryError = { field: null, message: 'The server did not answer as expected.' };
const REPLACED =
  'Someone replaced the value after you opened this. Save again to replace theirs with yours, or cancel to keep it.';

/** What people change, on the server and in the list. */
export class Changes {
  readonly #list: CredentialList;

  constructor(list: CredentialList) {
    this.#list = list;
  }

  async add({ name, value }: Entry): Promise<{ row?: Row; errors: EntryError[] }> {
    const { createCredential: payload } = await ask(AddRow, { input: { name, value } }, DOOR);
    if (!payload?.credential) {
      return { errors: payload?.userErrors ?? [NO_ANSWER] };
    }
    this.#list.add(payload.credential);
    return { row: payload.credential, errors: [] };
  }

  /**
   * Renames a credential, replaces its value, or both. The new name is in the list at once, and taken back when the server
   * refuses it. `expected` has the version of the value that the person saw.
   */
  async edit(
    row: Row,
    { name, value }: Entry,
    expected: { valueVersion: number },
  ): Promise<{ said?: string; errors: EntryError[] }> {
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
      throw error;
    }
  }

  async #explain(
    row: Row,
    userErrors: (EntryError & { code: string })[],
    expected: { valueVersion: number },
  ): Promise<EntryError[]> {
    if (!userErrors.some(({ code }) => code === 'VERSION_CONFLICT')) {
      return userErrors.length > 0 ? userErrors : [NO_ANSWER];
    }
    const { credential } = await ask(PresentVersion, { id: row.id }, DOOR);
    expected.valueVersion = credential?.valueVersion ?? expected.valueVersion;
    return [{ field: ['value'], message: REPLACED }];
  }

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
      return error?.code === 'IN_USE' ? { inUse: true } : { problem: error?.message ?? NO_ANSWER.message };
    } catch (error) {
      putBack();
      if (error instanceof Failure && error.kind === 'signed-out') {
        this.#list.fail(error);
      }
      return { problem: error instanceof Failure ? error.message : 'This did not work.' };
    }
  }
}

function saidOf(name: string, renamed: boolean, replaced: boolean): string {
  if (renamed && replaced) {
    return `Renamed “${name}” and replaced its value.`;
  }
  return renamed ? `Renamed to “${name}”.` : `Replaced the value of “${name}”.`;
}
