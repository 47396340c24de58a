import type { Storage } from '@graphiql/toolkit';

const entries = new Map<string, string>();

/** What the explorer remembers: until the page is left, and nowhere else. Documents may hold secrets. */
export const memoryStorage: Storage = {
  get length() {
    return entries.size;
  },
  getItem: (key) => entries.get(key) ?? null,
  setItem: (key: string, value: string) => void entries.set(key, value),
  removeItem: (key: string) => void entries.delete(key),
  clear: () => entries.clear(),
};
