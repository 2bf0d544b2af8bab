/** The pages with everything in them: what agents tell is there, live, whole, and can be taken along. */
import { readFileSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { expectAccessible } from './accessible';
import { fillUp } from './full';
import { expect, test as base, visit } from './test';
import { flow, type Node } from './told';

const test = base.extend<object, { node: Node }>({
  node: [async ({ server }, use) => use(await fillUp(server)), { scope: 'worker', auto: true }],
});

const rows = (page: Page) => page.getByRole('region', { name: 'Flows' }).locator('[data-flow]');

test('Nodes says what is wrong, the worst first', async ({ page, login }) => {
  await login();
  await visit(page, '/nodes');
  const names = page.getByRole('region', { name: 'Nodes' }).locator('tbody tr');
  await expect(names.filter({ hasText: 'node-2' })).toContainText(/behind.*✕ the kernel refused the tables/);
  await expect(names.filter({ hasText: 'node-1' })).toContainText('⚠ connections are recorded without bytes');
  await expect(names.filter({ hasText: 'node-3' })).toContainText('no agent has reported from it');
  await expect(page.getByText(/nodes are in step; 1 has a warning/)).toBeVisible();
});

test('a set shows what its domains stand for', async ({ page, login }) => {
  await login();
  await visit(page, '/networksets?q=partner');
  await page.getByRole('button', { name: /3 names known/ }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('region', { name: 'Addresses of *.updates.example.com' })).toContainText(/eu\.updates\.example\.com.*by way of edge-7\.cdn\.example.*198\.18\.0\.7/);
  await expect(dialog).toContainText('nobody-has-asked.exampleNo address is known.');
});

test('a new flow is there within a second, with its reason; what Log rules logged is told apart', async ({ page, login, node }) => {
  await login();
  await visit(page, '/flows');
  await expect(page.getByText(/^Following/)).toBeVisible();
  const logged = rows(page).and(page.locator('[data-event="log"]'));
  await expect(logged).toHaveCount(1);
  await expect(logged).toContainText(/≡ logged.*rule 0 of blue\/platform\.blue in tier platform, prefix tierwall.*2 packets/);
  const began = Date.now();
  await node.flows([flow('green/fe-1', 'green/be-1', { verdict: 'deny', port: 4242, policy: 'KubernetesNetworkPolicy/green/from-green' })]);
  const row = rows(page).filter({ hasText: 'tcp/4242' });
  await expect(row).toContainText(/✕ deny.*ingress: rule 0 of green\/from-green in tier default/);
  const took = Date.now() - began;
  console.log(`a flow that was told stood in the page after ${took} ms`);
  expect(took).toBeLessThan(1000);
  await page.getByLabel('Events').first().click();
  await page.getByRole('option', { name: 'what Log rules logged' }).click();
  await expect(page).toHaveURL(/event=log/);
  await expect(rows(page)).toHaveCount(1);
});

test('held, the list stays as it is; and who has scrolled keeps the place when it goes on', async ({ page, login, node }) => {
  await login();
  await page.setViewportSize({ width: 1280, height: 400 });
  await node.flows(Array.from({ length: 30 }, (_, at) => flow('red/fe-1', 'red/be-1', { port: 6000 + at })));
  await visit(page, '/flows');
  await expect(page.getByText(/^Following/)).toBeVisible();
  const before = await rows(page).count();
  await page.getByRole('button', { name: 'Pause' }).click();
  await node.flows([flow('red/fe-1', 'red/be-1', { port: 7001 }), flow('red/fe-1', 'red/be-1', { port: 7002 })]);
  const goOn = page.getByRole('button', { name: 'Go on (2 new)' });
  await expect(goOn).toBeVisible();
  expect(await rows(page).count()).toBe(before);
  const read = rows(page).filter({ hasText: 'tcp/6005' });
  await read.evaluate((element) => element.scrollIntoView({ block: 'start' }));
  const top = (await read.boundingBox())!.y;
  await goOn.evaluate((button: HTMLElement) => button.click()); // without scrolling up to it
  await expect(rows(page)).toHaveCount(before + 2);
  expect(Math.abs((await read.boundingBox())!.y - top)).toBeLessThan(3);
});

test('flows go along as CSV and JSON, all of what is shown', async ({ page, login }) => {
  await login();
  await visit(page, '/flows?endpoint=blue/be-1');
  const count = await rows(page).count();
  const taken = async (name: string) => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name, exact: true }).click()]);
    return readFileSync(await download.path(), 'utf8');
  };
  const lines = (await taken('CSV')).trimEnd().split('\r\n');
  expect(lines).toHaveLength(count + 1);
  expect(lines.find((line) => line.includes(',deny,') && line.includes('tcp/9090'))).toContain('ingress: end of tier platform (NetworkPolicy/blue/platform.blue)');
  const records = JSON.parse(await taken('JSON')) as { destination: { name: string } }[];
  expect(records).toHaveLength(count);
  expect(new Set(records.map(({ destination }) => destination.name))).toEqual(new Set(['be-1']));
});

test('Connectivity has what policy allows beside what was seen, and the reason on a click, by keys too', async ({ page, login }) => {
  await login();
  await visit(page, '/connectivity?from=blue&to=blue');
  const matrix = page.getByRole('region', { name: 'Matrix' });
  await expect(matrix.getByRole('button', { name: /blue\/fe-1.* to blue\/be-1: allowed only on tcp\/80/ })).toContainText('12K seen');
  await matrix.getByRole('button').first().focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('row').filter({ hasText: 'tcp/80' }).first()).toContainText(/✓ allow.*rule 0 of NetworkPolicy\/blue\/platform\.blue in tier platform/);
  await expect(page).toHaveURL(/source=blue/);
  await page.keyboard.press('Escape');
  await page.getByLabel('Port').fill('tcp/81');
  await expect(matrix.getByRole('button', { name: /blue\/fe-1.* to blue\/be-1: denied/ })).toBeVisible();
});

for (const route of ['/', '/endpoints', '/endpoint?ref=blue/be-1', '/networksets', '/nodes', '/flows', '/staged', '/connectivity', '/connectivity?source=blue/fe-1&destination=blue/be-1', '/tiers', '/namespaces']) {
  test(`${route}, full: axe finds nothing serious in light and dark, and it fits 320 px`, async ({ page, login }) => {
    await login();
    await visit(page, route);
    await expectAccessible(page);
  });
}
