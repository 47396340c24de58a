/**
 * Takes the embedded fonts out of style sheets of packages: the policy of the server allows none, and the fonts of the
 * system do as well.
 * @returns {import('vite').Plugin}
 */
export function withoutFonts() {
  return {
    name: 'without-fonts',
    enforce: 'pre',
    transform(code, id) {
      return /node_modules\/.*\.css/.test(id) ? { code: code.replace(/@font-face\s*\{[^}]*\}/g, ''), map: null } : null;
    },
  };
}
