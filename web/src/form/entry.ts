import { type FailureKind, failureFrom } from '../api/failure.js';

const VALUE_LIMIT_BYTES = 64 * 1024;

/** What a person entered. An empty value means that the present one stays; it is allowed only while editing. */
export interface Entry {
  name: string;
  value: string;
}

/** What is wrong with an entry, as `userErrors` has it. */
export interface EntryError {
  field: string[] | null;
  message: string;
}

/** What the form shows beside its fields, and above them. */
export interface Errors {
  name?: string;
  value?: string;
  form?: string;
  /** Why the request failed as a whole, if it did. */
  kind?: FailureKind;
}

/** What a form can tell without the server. */
export function missing({ name, value }: Entry, editing: boolean): Errors {
  const errors: Errors = {};
  if (name.trim() === '') {
    errors.name = 'Enter a name.';
  }
  if (value === '' && !editing) {
    errors.value = 'Enter the value.';
  } else if (new TextEncoder().encode(value).length > VALUE_LIMIT_BYTES) {
    errors.value = 'The value is too long: at most 64 KiB are kept.';
  }
  return errors;
}

/** What the server said, by field. */
export function errorsOf(entryErrors: EntryError[]): Errors {
  const errors: Errors = {};
  for (const { field, message } of entryErrors) {
    const last = field?.at(-1);
    errors[last === 'name' || last === 'value' ? last : 'form'] ??= message;
  }
  return errors;
}

/** What a request that failed as a whole means for the form. */
export function failed(error: unknown): Errors {
  const { kind, message } = failureFrom(error);
  return { form: message, kind };
}
