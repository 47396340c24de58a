/**
 * Takes the embedded fonts out of the explorer's style sheet: the policy of the server allows none, and the fonts of the
 * system do as well. Puts the rest into a layer, so that the rules of our own style sheets win.
 * @returns {import('vite').Plugin}
 */
export function explorerStyle() {
  return {
    name: 'explorer-style',
    enforce: 'pre',
    transform(code, id) {
      return /node_modules\/graphiql\/.*\.css/.test(id)
        ? { code: `@layer explorer {${code.replace(/@font-face\s*\{[^}]*\}/g, '')}}`, map: null }
        : null;
    },
  };
}
