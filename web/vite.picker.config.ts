import { defineConfig } from 'vite';
import { TARGETS, local } from './build/settings.js';

/** The picker: one module with a stable name, which other sites load. */
export default defineConfig({
  publicDir: false,
  build: {
    outDir: local('dist'),
    emptyOutDir: false,
    target: TARGETS,
    rolldownOptions: { output: { minify: true } },
    lib: { entry: local('src/picker/main.ts'), formats: ['es'], fileName: () => 'ui/credential-picker.js' },
  },
});
