import { defineConfig } from 'vite';
import { TARGETS, local } from './build/settings.js';
import { explorerStyle } from './build/explorer-style.js';

/** The pages. Everything is a file of its own: the policy of the server allows nothing inline. */
export default defineConfig({
  root: local('pages'),
  publicDir: false,
  build: {
    outDir: local('dist'),
    emptyOutDir: true,
    target: TARGETS,
    assetsDir: 'ui/assets',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: 'third-party-licenses.txt' },
    // The explorer is one large file on purpose: it is loaded whole.
    chunkSizeWarningLimit: 2_000,
    rolldownOptions: {
      // Directives for servers that render React: packages of the explorer have them, and they mean nothing here.
      onLog: (level, log, next) => (log.code === 'MODULE_LEVEL_DIRECTIVE' ? undefined : next(level, log)),
      // What all pages share is one file, so that a first load waits for few.
      output: {
        codeSplitting: { groups: [{ name: 'shared', test: /src\/(api|form|session)\/|\/node_modules\/(@lit|lit)/ }] },
      },
      input: ['credentials.html', 'login.html', 'graphiql.html', 'ui/picker-example.html'].map((page) =>
        local(`pages/${page}`),
      ),
    },
  },
  resolve: {
    alias: {
      // It writes a style element into the page, which the policy forbids; without it the page merely scrolls behind a dialog.
      'react-style-singleton': local('src/graphiql/no-style.ts'),
    },
  },
  plugins: [explorerStyle()],
});
