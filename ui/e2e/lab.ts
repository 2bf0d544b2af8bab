/** Real connections between the network namespaces of the demo's lab. */
import { execFile, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { expect } from './test';
import type { Server } from './server';

export type Verdict = 'allow' | 'deny';

/** A connection: from and to a pod ("blue/fe-1"), a node ("node:node-1") or a machine outside ("172.30.0.100"), to a port like tcp/80. */
export type Connection = readonly [from: string, to: string, port?: string];

/** The machines outside, by the last part of their addresses (standalone/demo). */
const externals: Record<string, string> = { '172.30.0.100': 'db', '172.30.0.101': 'partner', '172.30.0.102': 'saas', '172.30.0.103': 'office' };

export class Lab {
  readonly #addresses = new Map<string, string>();

  constructor(server: Server) {
    const items = JSON.parse(server.kubectl(['get', 'pods,nodes', '-A', '-o', 'json'])) as { items: { kind: string; metadata: { name: string; namespace?: string }; status: { podIP?: string; addresses?: { type: string; address: string }[] } }[] };
    for (const { kind, metadata, status } of items.items) {
      if (kind === 'Pod') this.#addresses.set(`${metadata.namespace}/${metadata.name}`, status.podIP ?? '');
      else this.#addresses.set(`node:${metadata.name}`, status.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? '');
    }
  }

  /** What becomes of a connection. One that should be denied is tried again before it is believed: a busy machine is silent, too. */
  async ask([from, to, port = 'tcp/80']: Connection, expected: Verdict): Promise<Verdict> {
    const script = port.startsWith('udp')
      ? `exec 3<>/dev/${this.#socket(to, port)} && echo '{}' >&3 && read -t 5 -n 1 <&3`
      : `exec 3<>/dev/${this.#socket(to, port)}`;
    const silences = expected === 'deny' ? [0.4, 0.8] : [2.5];
    for (const seconds of silences) {
      if (await succeeds('ip', ['netns', 'exec', netns(from), 'timeout', String(seconds), 'bash', '-c', script])) return 'allow';
    }
    return 'deny';
  }

  /** Waits until the connections are allowed, and those of the second list denied; all of them are asked at once. */
  async settles(allowed: readonly Connection[], denied: readonly Connection[]): Promise<void> {
    const wanted = [...allowed.map((one) => [one, 'allow'] as const), ...denied.map((one) => [one, 'deny'] as const)];
    const words = ([from, to, port = 'tcp/80']: Connection, verdict: Verdict) => `${from} -> ${to} ${port}: ${verdict}`;
    await expect.poll(async () => Promise.all(wanted.map(async ([one, verdict]) => words(one, await this.ask(one, verdict)))), { message: 'connections in the lab', timeout: 20_000 })
      .toEqual(wanted.map(([one, verdict]) => words(one, verdict)));
  }

  /** Opens a TCP connection that stays open. */
  open([from, to, port = 'tcp/80']: Connection): OpenConnection {
    return new OpenConnection(spawn('ip', ['netns', 'exec', netns(from), 'bash', '-c', `exec 3<>/dev/${this.#socket(to, port)} && while read -r line; do echo "$line" >&3; read -r -t 2 answer <&3 && echo answered || echo silent; done`]));
  }

  #socket(to: string, port: string): string {
    const [protocol, number] = port.split('/');
    return `${protocol}/${this.#addresses.get(to) ?? to}/${number}`;
  }
}

/** A connection that is open for as long as the test holds it. */
export class OpenConnection {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout });
  }

  /** Sends a line: "answered", or "silent" after two seconds. */
  async send(): Promise<string> {
    const answer = new Promise<string>((done) => {
      this.#lines.once('line', done);
      this.#lines.once('close', () => done('closed'));
    });
    this.#child.stdin.write('{}\n');
    return answer;
  }

  close(): void {
    this.#child.stdin.end();
    this.#child.kill();
  }
}

function succeeds(program: string, args: string[]): Promise<boolean> {
  return new Promise((done) => execFile(program, args, (error) => done(error === null)));
}

/** The network namespace of a machine, as standalone/lab names it. */
function netns(ref: string): string {
  if (ref.startsWith('node:')) return `tierwall-demo-node.${ref.slice(5)}`;
  const external = externals[ref];
  return external ? `tierwall-demo-ext.${external}` : `tierwall-demo-pod.${ref.replace('/', '.')}`;
}
