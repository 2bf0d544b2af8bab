/** The Kubernetes API, and then the Manager, out of reach: what is shown says how old it is, and what is typed is kept. */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server as Listener, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test as base, visit } from './test';
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
const test = base.extend<object, { ways: Ways }>({
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

test('the Kubernetes API is away: what is shown says how old it is, and comes to life again', async ({ page, login, ways, expected }) => {
  for (const path of ['objects', 'reorder', 'session', 'access', 'preview', 'tiers']) for (const status of [502, 503, 504]) expected.add(`${status} /api/v1/${path}`);
  await login();
  await visit(page, '/policies');
  const card = page.getByRole('article', { name: /platform\.blue/ });
  await expect(card).toBeVisible();
  await expect(page.getByText('The Kubernetes API is away')).toHaveCount(0);
  ways.toApi.cut = true;
  await expect(page.getByRole('status').filter({ hasText: 'The Kubernetes API is away' })).toContainText(/This is what was known at .*\d\d:\d\d:\d\d/, { timeout: 60_000 });
  await expect(page.getByText('Kubernetes API away', { exact: true })).toBeVisible();
  await expect(card).toBeVisible();
  ways.toApi.cut = false;
  await expect(page.getByText('The Kubernetes API is away')).toHaveCount(0, { timeout: 60_000 });
  await expect(page.getByText('live', { exact: true })).toBeVisible();
});

test('the server is away: the form goes on, keeps what is typed, and says so', async ({ page, login, ways }) => {
  await login();
  await visit(page, '/policies/new');
  await expect(page.getByText('live', { exact: true })).toBeVisible();
  // What is said of the text before is there, and must not pass for what is said of this one.
  await expect(page.getByTestId('matched')).toBeVisible();
  ways.toManager.cut = true;
  await page.getByLabel(/^Name\b/).fill('offline');
  await expect(page.getByRole('alert').filter({ hasText: 'The server is away' })).toContainText('Your text is kept in this browser');
  await expect(page.getByText('server away', { exact: true })).toBeVisible();
  await page.getByRole('toolbar', { name: 'Policy actions' }).getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByRole('alert').filter({ hasText: 'Not saved' })).toContainText('The server does not answer');
  ways.toManager.cut = false;
  await expect(page.getByText('The server is away')).toHaveCount(0, { timeout: 20_000 });
  await expect(page.getByLabel(/^Name\b/)).toHaveValue('offline');
});
