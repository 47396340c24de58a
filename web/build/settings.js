import { fileURLToPath } from 'node:url';

/** The oldest browsers in which all of it works: those that know `light-dark()`, `AbortSignal.any()` and popovers. */
export const TARGETS = ['chrome123', 'edge123', 'firefox125', 'safari17.5'];

/** @param {string} path below `web` */
export function local(path) {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}
