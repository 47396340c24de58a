/** An error for the explorer, which shows the message, and the stack of one that has any. */
export function plainError(message: string): Error {
  return Object.defineProperty(new Error(message), 'stack', { value: undefined });
}
