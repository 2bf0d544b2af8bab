/** The real program with its own control plane, for as long as the tests run. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, pagesOf, standalone, startProgram } from './program';

export const users = ['administrator', 'security engineer', 'developer'] as const;
export type User = (typeof users)[number];

export interface Server {
  /** Where the Manager is, without a slash at the end. */
  url: string;
  /** What each user logs in with; without a lab there is only the administrator. */
  tokens: Partial<Record<User, string>>;
  /** The administrator's kubeconfig. */
  kubeconfig: string;
  /** Where the program keeps its state. */
  dir: string;
  /** Runs kubectl with the administrator's rights and returns what it printed; throws what it said if it fails. */
  kubectl: (args: string[], input?: string) => string;
  /** Ends the program and removes what it kept. */
  stop: () => Promise<void>;
}

interface Wishes {
  /** The Manager's port; a free one if not given. */
  managerPort?: number;
  /** Further arguments. */
  args?: string[];
}

/** Starts the control plane and the Manager, without a cluster. */
export function startServer(wishes: Wishes = {}): Promise<Server> {
  return start('serve', /^token:/, wishes, (told) => {
    const value = (name: string) => told.map((line) => new RegExp(`^${name}: (.*)$`).exec(line)?.[1]).find(Boolean) ?? '';
    return { url: value('manager'), kubeconfig: value('kubeconfig'), tokens: { administrator: readFileSync(value('token'), 'utf8').trim() } };
  });
}

/** Starts the demo: the tutorial's cluster as a lab, with three users. Needs root, and no other demo on the machine. */
export function startDemo(): Promise<Server> {
  return start('demo', /Ctrl-C takes everything down/, {}, (told) => {
    const text = told.join('\n');
    const token = (user: User) => new RegExp(`^\\s+(\\S+) +an? ${user}|^\\s+(\\S+) +the ${user}`, 'm').exec(text)?.slice(1).find(Boolean) ?? '';
    return {
      url: /Manager +(\S+)/.exec(text)?.[1] ?? '',
      kubeconfig: /export KUBECONFIG=(\S+)/.exec(text)?.[1] ?? '',
      tokens: Object.fromEntries(users.map((user) => [user, token(user)])),
    };
  });
}

type Told = Pick<Server, 'url' | 'kubeconfig' | 'tokens'>;

/** Starts the program on free ports of loopback with a data directory of its own, and waits until it is ready. */
async function start(command: string, ready: RegExp, { managerPort, args = [] }: Wishes, read: (told: string[]) => Told): Promise<Server> {
  const dir = mkdtempSync(join(tmpdir(), 'tierwall-ui-'));
  const [port, pagePort] = [await freePort(), managerPort ?? (await freePort())];
  const running: { end: () => Promise<void> }[] = [];
  const stop = async () => {
    for (const one of running.reverse()) await one.end();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const program = await startProgram(standalone, [command, '--data-dir', dir, '--port', String(port), '--manager-address', `127.0.0.1:${pagePort}`, ...args], ready);
    running.push(program);
    const told = read(program.told);
    const pages = await pagesOf(told.url.replace(/\/$/, ''));
    running.push(pages);
    const kubectl = (args: string[], input?: string) => execFileSync(standalone, ['kubectl', '--kubeconfig', told.kubeconfig, ...args], { encoding: 'utf8', ...(input === undefined ? {} : { input }) });
    return { ...told, url: pages.url, dir, kubectl, stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}
