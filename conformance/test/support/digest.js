import { createHash } from 'node:crypto';

/** The SHA-256 of a text, in hexadecimal digits: what clients of automatic persisted queries bring along themselves. */
export function sha256(text) {
  return createHash('sha256').update(text).digest('hex');
}
