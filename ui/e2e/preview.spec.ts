/** What the preview shows is what explain finds, asked before and after the policy is saved. */
import type { Page } from '@playwright/test';
import { deletePolicy, PolicyForm } from './policy-form';
import { expect, test } from './test';

interface Group {
  id: string;
  title: string;
  refs: string[];
}

interface Told {
  groups: Group[];
  changes: { from: string; to: string; verdict: 'allow' | 'deny'; ports: { ports: string }[] }[];
  total: number;
}

const ports = [80, 8080];

/** Asks the server in the page's own session. */
async function ask<T>(page: Page, path: string, body?: object): Promise<T> {
  const { csrfToken } = (await (await page.request.get('/api/v1/session')).json()) as { csrfToken: string };
  const answer = body ? await page.request.post(path, { data: body, headers: { 'X-CSRF-Token': csrfToken } }) : await page.request.get(path);
  expect(answer.status(), await answer.text()).toBe(200);
  return (await answer.json()) as T;
}

/** The verdict of every pair of pods on each port, by `FROM TO PORT`. */
async function verdicts(page: Page): Promise<Map<string, string>> {
  const { items } = await ask<{ items: { ref: string }[] }>(page, '/api/v1/endpoints?kind=Pod&limit=100');
  const pairs = items.flatMap(({ ref: from }) => items.filter(({ ref }) => ref !== from).flatMap(({ ref: to }) => ports.map((port) => ({ from, to, port }))));
  const { csrfToken } = await ask<{ csrfToken: string }>(page, '/api/v1/session');
  const found = new Map<string, string>();
  let next = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let pair = pairs[next++]; pair; pair = pairs[next++]) {
      const answer = await page.request.post('/api/v1/explain', { data: { from: pair.from, to: pair.to, port: `tcp/${pair.port}` }, headers: { 'X-CSRF-Token': csrfToken } });
      found.set(`${pair.from} ${pair.to} ${pair.port}`, ((await answer.json()) as { verdict: string }).verdict);
    }
  }));
  return found;
}

/** Whether ports as the preview writes them take in one of TCP. */
function takesIn(text: string, port: number): boolean {
  const [, from, to] = /^tcp(?:\/(\d+)(?:-(\d+))?)?$/.exec(text) ?? [];
  if (/^any protocol/.test(text)) return !text.includes('tcp');
  if (!text.startsWith('tcp')) return false;
  return from === undefined || (port >= Number(from) && port <= Number(to ?? from));
}

test('the groups of the preview are the pairs whose verdict explain finds changed', async ({ page, login }) => {
  test.setTimeout(180_000);
  await login();
  const before = await verdicts(page);
  expect(before.size).toBeGreaterThan(200);
  const form = new PolicyForm(page);
  await form.create('previewed', { tier: 'platform', order: 5 });
  await form.condition(form.appliesTo('Endpoints'), 'app/tier', '==', ['BE']);
  const rule = await form.addRule('ingress');
  await rule.protocol('TCP');
  await rule.tags('Ports: is', ['80']);
  await form.condition(rule.selector('Endpoint selector'), 'app/tier', '==', ['FE']);
  await rule.save();
  const answered = page.waitForResponse((response) => response.url().endsWith('/api/v1/preview'));
  await page.getByRole('button', { name: 'Preview' }).click();
  const told = (await (await answered).json()) as Told;
  const dialog = page.getByRole('dialog', { name: /^Preview/ });
  await expect(dialog.getByText(/Simulated, nothing is saved/)).toBeVisible();

  // The dialog has a row for each change, with its groups' titles and ports.
  expect(told.changes.length).toBe(told.total);
  const title = new Map(told.groups.map((group) => [group.id, group.title]));
  const rows = dialog.getByRole('row').filter({ has: page.getByRole('cell') });
  await expect(rows).toHaveCount(told.changes.length);
  for (const [at, change] of told.changes.entries()) {
    await expect(rows.nth(at)).toContainText(`${change.verdict === 'allow' ? '✓ allowed' : '✕ denied'}${title.get(change.from)}${title.get(change.to)}`);
    for (const port of change.ports) await expect(rows.nth(at)).toContainText(port.ports);
  }
  await expect(dialog.getByRole('region', { name: 'Recorded flows' })).toContainText(/Not shown: |connections would be decided/);
  await page.keyboard.press('Escape');
  await form.save('GlobalNetworkPolicy/-/previewed');

  // What it said, pair by pair, is what changed.
  const refs = new Map(told.groups.map((group) => [group.id, group.refs]));
  const said = new Map<string, string>();
  for (const change of told.changes) {
    for (const from of refs.get(change.from) ?? []) {
      for (const to of refs.get(change.to) ?? []) {
        for (const port of ports) {
          const pair = `${from} ${to} ${port}`;
          if (before.has(pair) && change.ports.some(({ ports: text }) => takesIn(text, port))) said.set(pair, change.verdict);
        }
      }
    }
  }
  await expect.poll(async () => (await ask<{ verdict: string; ingress?: { policy?: string } }>(page, '/api/v1/explain', { from: 'green/fe-1', to: 'blue/be-1', port: 'tcp/80' })).ingress?.policy).toBe('GlobalNetworkPolicy//previewed');
  const after = await verdicts(page);
  const changed = [...after].filter(([pair, verdict]) => before.get(pair) !== verdict);
  expect(changed.length).toBeGreaterThan(10);
  expect(new Set(changed.map(([, verdict]) => verdict)).size, 'some are newly allowed, some newly denied').toBe(2);
  expect(Object.fromEntries([...said].sort())).toEqual(Object.fromEntries(changed.sort()));
  await deletePolicy(page, 'previewed');
});
