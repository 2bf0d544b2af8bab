/** The real program with its own control plane, for as long as the tests run. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const program = resolve(import.meta.dirname, '../../bin/tierwall-standalone');

export interface Server {
  /** Where the Manager is, without a slash at the end. */
  url: string;
  /** The administrator's token. */
  token: string;
  /** Runs kubectl with the administrator's rights and returns what it printed; throws what it said if it fails. */
  kubectl: (args: string[], input?: string) => string;
  /** Ends the program and removes what it kept. */
  stop: () => Promise<void>;
}

/** Starts the program on free ports of loopback with a data directory of its own, and waits until it is ready. */
export async function startServer(): Promise<Server> {
  const dir = mkdtempSync(join(tmpdir(), 'tierwall-ui-'));
  const [port, managerPort] = [await freePort(), await freePort()];
  const child = spawn(program, ['serve', '--data-dir', dir, '--port', String(port), '--manager-address', `127.0.0.1:${managerPort}`], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = () => signal(child, 'SIGKILL');
  process.once('exit', kill);
  const stop = async () => {
    await end(child);
    process.off('exit', kill);
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const told = await readiness(child);
    const kubeconfig = told.kubeconfig ?? '';
    const kubectl = (args: string[], input?: string) => execFileSync(program, ['kubectl', '--kubeconfig', kubeconfig, ...args], { encoding: 'utf8', ...(input === undefined ? {} : { input }) });
    return { url: (told.manager ?? '').replace(/\/$/, ''), token: readFileSync(told.token ?? '', 'utf8').trim(), kubectl, stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

/** Reads the lines `name: value` that the program prints when it is ready, or throws what it said instead. */
async function readiness(child: ChildProcess): Promise<Record<string, string>> {
  let said = '';
  child.stderr?.on('data', (part: Buffer) => { said = (said + part.toString()).slice(-4000); });
  const told: Record<string, string> = {};
  const timer = setTimeout(() => signal(child, 'SIGKILL'), 90_000);
  try {
    for await (const line of createInterface({ input: child.stdout! })) {
      const [, name, value] = /^(\w+): (.*)$/.exec(line) ?? [];
      if (name && value) told[name] = value;
      if (name === 'token') return told;
    }
  } finally {
    clearTimeout(timer);
    child.stdout?.resume();
  }
  throw new Error(`${program} serve ended before it was ready: ${said}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once('exit', done));
  signal(child, 'SIGTERM');
  const timer = setTimeout(() => signal(child, 'SIGKILL'), 15_000);
  await ended;
  clearTimeout(timer);
}

/** Signals the program's process group, if it is there. */
function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown;
  }
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const server = createServer().once('error', failed).listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
