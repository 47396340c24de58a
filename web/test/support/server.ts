import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { local } from '../../build/settings.js';

const BINARY = process.env['CREDENCE_BINARY'] ?? local('../target/debug/credence');
const ADDRESS = /http:\/\/127\.0\.0\.1:(\d+)/;

/** What the server inherits: none of the settings that a developer may have in the environment. */
const ENVIRONMENT = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CREDENCE_')));

export type Role = 'viewer' | 'editor' | 'admin' | 'runtime';

interface Answer<Data> {
  data: Data | null;
  errors?: { message: string }[];
}

/** The server: a process, in a data directory of its own. */
export class Server {
  /** Those of the command line, beside the ones that each server has. They count from the next start on. */
  readonly options: string[];
  readonly #directory: string;
  #port = 0;
  #process: ChildProcess | undefined;

  private constructor(directory: string, options: string[]) {
    this.#directory = directory;
    this.options = options;
  }

  static async start(...options: string[]): Promise<Server> {
    const server = new Server(await mkdtemp(join(tmpdir(), 'credence-web-')), options);
    await server.start();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Starts the process, at the same address as before when there was one. Resolves once it listens. */
  async start(): Promise<void> {
    const listen = `127.0.0.1:${this.#port}`;
    const options = ['serve', '--data-dir', this.#directory, '--listen', listen, ...this.options];
    const child = spawn(BINARY, options, { env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    this.#port = await new Promise<number>((resolve, reject) => {
      let said = '';
      let log = '';
      child.stderr.on('data', (text: Buffer) => (log += text.toString()));
      child.stdout.on('data', (text: Buffer) => {
        said += text.toString();
        const port = ADDRESS.exec(said)?.[1];
        if (port !== undefined) {
          resolve(Number(port));
        }
      });
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`The server ended with ${code}: ${said}${log}`)));
    });
  }

  /** Ends the process; the data stays. */
  async stop(): Promise<void> {
    const child = this.#process;
    if (child && child.exitCode === null && child.signalCode === null) {
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await exit;
    }
    this.#process = undefined;
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** What a command of the server prints. */
  async command(...options: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(BINARY, [...options, '--data-dir', this.#directory], {
      env: ENVIRONMENT,
    });
    return stdout.trim();
  }

  token(subject: string, role: Role): Promise<string> {
    return this.command('token', '--sub', subject, '--role', role);
  }

  /** Asks as another client does: with a token, and without a browser. */
  async ask<Data>(token: string, query: string, variables: Record<string, unknown> = {}): Promise<Data> {
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = (await response.json()) as Answer<Data>;
    if (!data || errors) {
      throw new Error(errors?.[0]?.message ?? 'no data');
    }
    return data;
  }
}
