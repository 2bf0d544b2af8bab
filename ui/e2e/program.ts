/** A program that runs for as long as the tests need it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';

export const standalone = resolve(import.meta.dirname, '../../bin/tierwall-standalone');
export const product = resolve(import.meta.dirname, '../../bin/tierwall');

export interface Program {
  /** What it printed until it was ready, in lines. */
  told: string[];
  pid: number;
  /** Ends it, and waits until it has. */
  end: () => Promise<void>;
}

/** Starts a program and waits for the line that says it is ready; throws what it said instead. */
export async function startProgram(path: string, args: string[], ready: RegExp, patience = 90_000): Promise<Program> {
  const child = spawn(path, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = () => signal(child, 'SIGKILL');
  process.once('exit', kill);
  const stop = async () => {
    await end(child);
    process.off('exit', kill);
  };
  let said = '';
  child.stderr?.on('data', (part: Buffer) => { said = (said + part.toString()).slice(-4000); });
  const told: string[] = [];
  const timer = setTimeout(kill, patience);
  try {
    for await (const line of createInterface({ input: child.stdout! })) {
      told.push(line);
      if (ready.test(line)) return { told, pid: child.pid ?? 0, end: stop };
    }
    throw new Error(`${path} ${args[0]} ended before it was ready: ${said}`);
  } catch (thrown) {
    await stop();
    throw thrown;
  } finally {
    clearTimeout(timer);
    child.stdout?.resume();
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once('exit', done));
  signal(child, 'SIGTERM');
  const timer = setTimeout(() => signal(child, 'SIGKILL'), 30_000);
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

export function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const server = createServer().once('error', failed).listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/**
 * Where the pages are. With TIERWALL_PAGES=vite it is vite, with what `npm run build` made last, in front of
 * the program: for who changes the pages and does not want to link the program each time.
 */
export async function pagesOf(url: string): Promise<{ url: string; end: () => Promise<void> }> {
  if (process.env.TIERWALL_PAGES !== 'vite') return { url, end: () => Promise.resolve() };
  const port = await freePort();
  process.env.TIERWALL_SERVER = url;
  const vite = await startProgram(resolve(import.meta.dirname, '../node_modules/.bin/vite'), ['preview', '--host', '127.0.0.1', '--port', String(port), '--strictPort'], /Local/);
  return { url: `http://127.0.0.1:${port}`, end: vite.end };
}
