/** What agents would tell the server, told by a test: nodes' states, names that were learned, and flows. */
import { Agent, request } from 'node:https';
import type { Server } from './server';

/** A node as far as the server's reports go. */
export class Node {
  readonly #server: Server;
  readonly #name: string;
  readonly #token: string;
  readonly #url: URL;
  readonly #agent: Agent;
  #reports = 0;
  #batches = 0;

  constructor(server: Server, name: string) {
    this.#server = server;
    this.#name = name;
    const where = JSON.parse(server.kubectl(['get', 'configmap', '-n', 'tierwall', 'tierwall-server', '-o', 'json'])) as { data: Record<string, string> };
    this.#url = new URL(where.data.url ?? '');
    this.#agent = new Agent({ ca: where.data['ca.crt'], servername: where.data.name ?? '' });
    this.#account();
    this.#token = server.kubectl(['create', 'token', 'agent', '-n', 'tierwall', '--audience', 'tierwall-server', '--bound-object-kind', 'Node', '--bound-object-name', name]).trim();
  }

  /** Tells everything of the node anew. */
  report(of: object): Promise<void> {
    this.#reports++;
    return this.#post(`/report/v1?node=${this.#name}`, { node: this.#name, instance: 'e2e', sequence: this.#reports, full: true, ...of });
  }

  /** Tells of flows, and of what is lost. */
  flows(records: object[], lost: object = {}): Promise<void> {
    this.#batches++;
    return this.#post(`/flows/v1?node=${this.#name}`, { node: this.#name, instance: 'e2e', sequence: this.#batches, sent: new Date().toISOString(), records, lost });
  }

  #account(): void {
    const there = this.#server.kubectl(['get', 'serviceaccount', 'agent', '-n', 'tierwall', '--ignore-not-found', '-o', 'name']);
    if (!there) this.#server.kubectl(['create', 'serviceaccount', 'agent', '-n', 'tierwall']);
  }

  #post(path: string, body: object): Promise<void> {
    const text = JSON.stringify(body);
    return new Promise((done, failed) => {
      const call = request(new URL(path, this.#url), { method: 'POST', agent: this.#agent, headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) } }, (answer) => {
        let said = '';
        answer.on('data', (part: Buffer) => { said += part.toString(); });
        answer.on('end', () => ((answer.statusCode ?? 500) < 300 ? done() : failed(new Error(`${path}: ${answer.statusCode} ${said}`))));
      });
      call.on('error', failed);
      call.end(text);
    });
  }
}

/** Ends of flows in the tutorial's cluster. */
const addresses: Record<string, string> = { 'blue/fe-1': '10.244.1.11', 'blue/be-1': '10.244.3.10', 'red/fe-1': '10.244.1.12', 'red/be-1': '10.244.2.12', 'green/fe-1': '10.244.1.13', 'green/be-1': '10.244.2.13' };

function end(ref: string): object {
  const address = addresses[ref];
  if (!address) return { kind: 'address', address: ref };
  const [namespace, name = ''] = ref.split('/');
  return { kind: 'pod', namespace, name, node: 'node-1', labels: `app/tier=${name.startsWith('fe') ? 'FE' : 'BE'}`, address };
}

interface FlowOptions {
  port?: number;
  verdict?: 'allow' | 'deny';
  /** The policy that decides at the destination, as Kind/namespace/name, and its tier; none applies if not given. */
  policy?: string;
  tier?: string;
  rule?: number;
  connections?: number;
  bytes?: number;
  ago?: number;
  more?: object;
}

/** A connection as the destination's node tells of it. */
export function flow(from: string, to: string, { port = 80, verdict = 'allow', policy, tier = 'default', rule = 0, connections = 1, bytes = 0, ago = 0, more = {} }: FlowOptions = {}): object {
  const at = new Date(Date.now() - ago * 1000).toISOString();
  const path = policy ? [{ tier, policy, rule, action: verdict === 'allow' ? 'Allow' : 'Deny' }] : [];
  return {
    node: 'node-1', reporter: 'destination', start: at, last: at, source: end(from), destination: end(to), protocol: 'TCP', port, verdict, egress: null,
    ingress: { endpoint: to, verdict, reason: policy ? 'rule' : 'no policy applies', path }, connections, out: { packets: 3 * connections, bytes }, in: { packets: 2 * connections, bytes: 2 * bytes }, ...more,
  };
}
