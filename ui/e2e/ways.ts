/** Ways between the browser, the Manager and the Kubernetes API that a test can cut. */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server as Listener, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test as base } from './test';
import { freePort, pagesOf, product } from './program';
import { startServer, type Server } from './server';
import { fill } from './world';

/** A way to a port of loopback that can be cut. */
class Way {
  readonly #open = new Set<Socket>();
  readonly #listener: Listener;
  #cut = false;
  port = 0;

  constructor(to: number) {
    this.#listener = createServer((from) => {
      if (this.#cut) {
        from.destroy();
        return;
      }
      const out = connect(to, '127.0.0.1');
      for (const [one, other] of [[from, out], [out, from]] as const) {
        this.#open.add(one);
        one.on('error', () => other.destroy()).on('close', () => {
          other.destroy();
          this.#open.delete(one);
        });
        one.pipe(other);
      }
    });
  }

  async listen(): Promise<this> {
    this.port = await new Promise((done) => this.#listener.listen(0, '127.0.0.1', () => {
      const address = this.#listener.address();
      done(typeof address === 'object' && address ? address.port : 0);
    }));
    return this;
  }

  set cut(cut: boolean) {
    this.#cut = cut;
    if (cut) for (const one of this.#open) one.destroy();
  }

  close(): void {
    this.cut = true;
    this.#listener.close();
  }
}

interface Ways {
  /** To the Kubernetes API, for the Manager. */
  toApi: Way;
  /** To the Manager, for the browser. */
  toManager: Way;
}

/** A Manager of `tierwall server`, with a control plane of its own behind a way that can be cut. */
export const test = base.extend<object, { ways: Ways }>({
  ways: [async ({}, use) => use({} as Ways), { scope: 'worker' }],
  server: [async ({ ways }, use) => {
    const plane = await startServer();
    fill(plane);
    const config = readFileSync(plane.kubeconfig, 'utf8');
    const toApi = await new Way(Number(/server: https:\/\/127\.0\.0\.1:(\d+)/.exec(config)?.[1])).listen();
    const kubeconfig = join(plane.dir, 'cut.kubeconfig');
    writeFileSync(kubeconfig, config.replace(/(server: https:\/\/127\.0\.0\.1:)\d+/, `$1${toApi.port}`), { mode: 0o600 });
    const [managerPort, webhookPort] = [await freePort(), await freePort()];
    const manager = spawn(product, ['server', '--kubeconfig', kubeconfig, '--manager-address', `127.0.0.1:${managerPort}`, '--webhook-listen', `127.0.0.1:${webhookPort}`, '--report-listen', '-'], { stdio: 'ignore' });
    await expect.poll(() => fetch(`http://127.0.0.1:${managerPort}/api/v1/login`).then(({ ok }) => ok, () => false), { timeout: 30_000 }).toBe(true);
    const pages = await pagesOf(`http://127.0.0.1:${managerPort}`);
    const toManager = await new Way(Number(new URL(pages.url).port)).listen();
    Object.assign(ways, { toApi, toManager });
    const ended = new Promise((done) => manager.once('exit', done));
    try {
      await use({ ...plane, url: `http://127.0.0.1:${toManager.port}` } satisfies Server);
    } finally {
      for (const way of [toApi, toManager]) way.close();
      manager.kill();
      await ended;
      await pages.end();
      await plane.stop();
    }
  }, { scope: 'worker', timeout: 120_000 }],
});
