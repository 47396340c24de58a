import { AddOption } from '../../generated/picker.js';
import { ask } from '../api/ask.js';
import { Failure } from '../api/failure.js';
import { type GetToken, doorOf } from './door.js';

const answers = new WeakMap<object, Map<string, Promise<boolean>>>();
const BY_COOKIE = {};

/**
 * Whether one may add credentials. The server is asked to create one without a name or a value, which it never does: those
 * who may not are refused before their input is looked at. All pickers of a page share the answer.
 */
export function mayAdd(endpoint: string, getToken: GetToken | undefined): Promise<boolean> {
  const key = getToken ?? BY_COOKIE;
  const known = answers.get(key) ?? new Map<string, Promise<boolean>>();
  answers.set(key, known);
  const answer = known.get(endpoint) ?? probe(endpoint, getToken);
  known.set(endpoint, answer);
  answer.catch(() => known.delete(endpoint));
  return answer;
}

async function probe(endpoint: string, getToken: GetToken | undefined): Promise<boolean> {
  try {
    await ask(AddOption, { input: { name: '', value: '' } }, await doorOf(endpoint, getToken));
    return true;
  } catch (error) {
    if (error instanceof Failure && error.kind === 'forbidden') {
      return false;
    }
    throw error;
  }
}
