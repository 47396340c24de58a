// The last step of the build: what is worth it gets a `.br` and a `.gz` beside it, so that the server compresses nothing.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { local } from './settings.js';

const WORTH_IT = /\.(html|js|css|svg|txt)$/;
const SAVED_BYTES = 100;

const compressions = [
  {
    extension: '.br',
    /** @param {Buffer} bytes */
    compress: (bytes) =>
      promisify(brotliCompress)(bytes, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: 11,
          [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        },
      }),
  },
  {
    extension: '.gz',
    /** @param {Buffer} bytes */
    compress: (bytes) => promisify(gzip)(bytes, { level: 9 }),
  },
];

for (const entry of await readdir(local('dist'), { recursive: true, withFileTypes: true })) {
  if (entry.isFile() && WORTH_IT.test(entry.name)) {
    const path = `${entry.parentPath}/${entry.name}`;
    const bytes = await readFile(path);
    for (const { extension, compress } of compressions) {
      const compressed = await compress(bytes);
      if (compressed.length + SAVED_BYTES < bytes.length) {
        await writeFile(path + extension, compressed);
      }
    }
  }
}
