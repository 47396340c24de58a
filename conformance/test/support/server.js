// The real server, as a process of its own with fresh data, for as long as a file of checks runs.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

export const repository = resolve(import.meta.dirname, '../../..');

export const binary = resolve(process.env.CREDENCE_BINARY ?? join(repository, 'target/debug/credence'));

/** What the server inherits: none of the settings that a developer may have in the environment. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('CREDENCE_')),
);

// The test runner ends a file that takes too long with a signal: the server must not outlive it.
process.once('SIGTERM', () => process.exit(143));

/** Starts a server at a free port, with more options when they are given, and its log in `log`. Returns when it listens. */
export async function startServer({ options = [], level = 'warn', log = 'inherit' } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'credence-conformance-'));
  const dataDir = join(directory, 'data');
  const child = spawn(
    binary,
    ['serve', '--listen', '127.0.0.1:0', '--data-dir', dataDir, '--log', level, ...options],
    { env: environment, stdio: ['ignore', 'pipe', log] },
  );
  // Nor must it outlive a file that fails before its `after` hooks.
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const exited = once(child, 'exit');
  const firstLine = await readFirstLine(child, exited);
  const [, address] = /http:\/\/(\S+)\/graphql/.exec(firstLine);
  return new Server(address, dataDir, async () => {
    child.kill('SIGTERM');
    const [code, signal] = await exited;
    process.removeListener('exit', kill);
    rmSync(directory, { recursive: true });
    if (code !== 0) {
      throw new Error(`The server ended with ${signal ?? `exit code ${code}`} when it was told to stop.`);
    }
  });
}

async function readFirstLine(child, exited) {
  const lines = createInterface({ input: child.stdout });
  const ended = exited.then(([code]) => {
    throw new Error(`The server ended with exit code ${code} before it listened.`);
  });
  const [line] = await Promise.race([once(lines, 'line'), ended]);
  // From here on its end is awaited by whoever stops it; what it still prints is read and dropped.
  ended.catch(() => {});
  return line;
}

class Server {
  constructor(address, dataDir, stop) {
    this.origin = `http://${address}`;
    this.url = `http://${address}/graphql`;
    this.webSocketUrl = `ws://${address}/graphql`;
    this.dataDir = dataDir;
    this.stop = stop;
  }

  /** The value of an `Authorization` header for a person of this role. */
  authorization(sub, role) {
    const options = ['token', '--sub', sub, '--role', role, '--data-dir', this.dataDir];
    const token = execFileSync(binary, options, { env: environment, encoding: 'utf8' });
    return `Bearer ${token.trim()}`;
  }
}
