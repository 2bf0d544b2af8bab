/**
 * Not a test: screenshots of every screen into the folder TIERWALL_SHOTS, to be looked at: in light, dark and at 320 px,
 * with the tutorial's cluster and full of everything, each dialog, and what is shown where something is missing.
 */
import type { Page } from '@playwright/test';
import { fillUp } from './full';
import { routes } from './routes';
import { test as base, visit } from './test';
import { test as awayBase } from './ways';

/** Whatever the server answers is what is to be looked at. */
const anything = Object.assign(new Set<string>(), { has: () => true });
const test = base.extend({ expected: async ({}, use) => use(anything) });
const awayTest = awayBase.extend({ expected: async ({}, use) => use(anything) });

const folder = process.env.TIERWALL_SHOTS ?? 'test-results/shots';
const sizes = { light: [1440, 900], dark: [1440, 900], narrow: [320, 800] } as const;
type Style = keyof typeof sizes;

async function inStyle(page: Page, style: Style): Promise<void> {
  const [width, height] = sizes[style];
  await page.emulateMedia({ colorScheme: style === 'dark' ? 'dark' : 'light' });
  await page.setViewportSize({ width, height });
}

async function shoot(page: Page, set: string, style: Style, name: string): Promise<void> {
  await page.screenshot({ path: `${folder}/${set}/${name}-${style}.png`, fullPage: style === 'narrow' });
}

async function shootRoutes(page: Page, set: string, all: readonly string[]): Promise<void> {
  for (const style of Object.keys(sizes) as Style[]) {
    await inStyle(page, style);
    for (const route of all) {
      await visit(page, route).catch(() => {});
      await shoot(page, set, style, route.replaceAll(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '') || 'home');
    }
  }
}

/** Each dialog: where it is, and what opens it. */
const dialogs: Record<string, [route: string, open: (page: Page) => Promise<void>]> = {
  who: ['/tiers', (page) => page.getByRole('button', { name: 'Who may…' }).first().click()],
  'create-tier': ['/tiers', (page) => page.getByRole('button', { name: 'Create tier' }).click()],
  domains: ['/networksets', (page) => page.getByRole('button', { name: /names? known of/ }).click()],
  'create-set': ['/networksets', (page) => page.getByRole('button', { name: 'Create network set' }).click()],
  'delete-set': ['/networksets', (page) => page.getByRole('button', { name: 'Delete…' }).first().click()],
  flow: ['/flows', (page) => page.getByRole('button', { name: /^Details of red\/fe-1 to blue\/be-1/ }).first().click()],
  logged: ['/flows', (page) => page.getByRole('button', { name: /^Details/ }).nth(1).click()],
  enforce: ['/staged', (page) => page.getByRole('button', { name: /^Enforce/ }).first().click()],
  compare: ['/staged', (page) => page.getByRole('button', { name: /^Compare/ }).first().click()],
  cell: ['/connectivity', (page) => page.getByRole('region', { name: 'Matrix' }).getByRole('button').nth(2).click()],
};

test.describe.configure({ timeout: 400_000 });

test('the tutorial\'s cluster', async ({ page, login }) => {
  await shootRoutes(page, 'plain', ['/login']);
  await login();
  await shootRoutes(page, 'plain', [...routes, '/policies?q=none', '/networksets?q=none', '/flows?port=1', '/connectivity?from=none', '/policies/NetworkPolicy/blue/gone/edit', '/no-such-page', '/endpoint?ref=blue/gone']);
});

test('full', async ({ page, login, server }) => {
  await fillUp(server);
  await login();
  await shootRoutes(page, 'full', ['/', '/endpoints', '/endpoint?ref=blue/be-1', '/networksets', '/nodes', '/flows', '/staged', '/connectivity', '/tiers', '/namespaces']);
  for (const style of Object.keys(sizes) as Style[]) {
    await inStyle(page, style);
    for (const [name, [route, open]] of Object.entries(dialogs)) {
      await visit(page, route);
      await open(page).catch((thrown: unknown) => console.log(name, String(thrown).slice(0, 200)));
      await page.waitForTimeout(400); // a dialog fades in
      await shoot(page, 'dialogs', style, name);
    }
  }
});

test('without rights', async ({ page, server }) => {
  server.kubectl(['create', 'serviceaccount', 'nobody', '-n', 'blue']);
  const token = server.kubectl(['create', 'token', 'nobody', '-n', 'blue']).trim();
  await page.request.post('/api/v1/session', { data: { token } });
  await shootRoutes(page, 'rights', ['/', '/policies', '/tiers', '/endpoints', '/networksets', '/namespaces', '/nodes', '/flows', '/staged', '/connectivity', '/explain?from=blue/fe-1&to=blue/be-1&port=tcp/80']);
});

awayTest('away', async ({ page, login, ways }) => {
  await login();
  const all = ['/', '/policies', '/tiers', '/endpoints', '/networksets', '/nodes', '/flows', '/staged', '/connectivity'];
  await visit(page, '/policies');
  ways.toApi.cut = true;
  await page.getByText('The Kubernetes API is away').waitFor({ timeout: 60_000 });
  await shootRoutes(page, 'api-away', all);
  await inStyle(page, 'light');
  await visit(page, '/flows');
  ways.toManager.cut = true;
  for (const style of Object.keys(sizes) as Style[]) {
    await inStyle(page, style);
    for (const name of ['Endpoints', 'Nodes', 'Flows', 'Staged policies']) {
      if (style === 'narrow') await page.getByRole('button', { name: 'Navigation' }).click();
      await page.getByRole('navigation').getByRole('link', { name }).click();
      await page.waitForTimeout(4000); // it tries again before it gives up
      await shoot(page, 'server-away', style, name);
    }
  }
});
