/** In place of a package that writes a style element into the page. It does nothing. */
export const styleSingleton = (): (() => null) => () => null;
export const styleHookSingleton = (): (() => void) => () => undefined;
export const stylesheetSingleton = (): { add: () => void; remove: () => void } => ({
  add: () => undefined,
  remove: () => undefined,
});
