/** Logging in by OpenID Connect, in a browser, at a provider that keeps to the standard. */
import type { Browser, Page } from '@playwright/test';
import { expect, test as base } from './test';
import { freePort } from './program';
import { clientId, startProvider, type RunningProvider } from './provider';
import { startServer, type Server } from './server';

const test = base.extend<object, { provider: RunningProvider; server: Server; managerPort: number }>({
  managerPort: [async ({}, use) => use(await freePort()), { scope: 'worker' }],
  provider: [async ({ managerPort }, use) => {
    const provider = await startProvider(`http://127.0.0.1:${managerPort}`);
    await use(provider);
    provider.stop();
  }, { scope: 'worker' }],
  server: [async ({ provider, managerPort }, use) => {
    const server = await startServer({ managerPort, args: ['--oidc-issuer', provider.issuer, '--oidc-client-id', clientId, '--oidc-ca', provider.caFile, '--oidc-name', 'Example', '--oidc-redirect-url', `http://127.0.0.1:${managerPort}/login/oidc/callback`] });
    server.kubectl(['create', 'clusterrole', 'reader', '--verb=get,list,watch', '--resource=*.*']);
    server.kubectl(['create', 'clusterrolebinding', 'reader', '--clusterrole=reader', '--group=oidc:team']);
    await use(server);
    await server.stop();
  }, { scope: 'worker', timeout: 120_000 }],
});

/** A browser of somebody's own, that does not mind the provider's certificate. */
async function visitor(browser: Browser, server: Server): Promise<Page> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, baseURL: server.url });
  return context.newPage();
}

async function atProvider(page: Page, name: string): Promise<void> {
  await expect(page.getByRole('heading', { name: 'Who are you?' })).toBeVisible();
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Go on' }).click();
}

test('who logs in at the provider comes back to the place that was asked for, with a session that ends with logging out', async ({ browser, server, provider }) => {
  const page = await visitor(browser, server);
  await page.goto('/tiers');
  await expect(page).toHaveURL(/\/login\?next=/);
  await page.getByRole('link', { name: 'Log in with Example' }).click();
  await atProvider(page, 'alice');
  await expect(page).toHaveURL(`${server.url}/tiers`);
  await expect(page.getByRole('heading', { level: 1, name: 'Tiers' })).toBeVisible();
  await expect(page.getByText('oidc:alice')).toBeVisible();
  // The code flow with PKCE, and nothing of it in the browser's hands: the token went from server to server.
  const asked = provider.asked[0]!;
  expect(Object.fromEntries(asked)).toMatchObject({ response_type: 'code', code_challenge_method: 'S256', client_id: clientId });
  for (const name of ['state', 'nonce', 'code_challenge']) expect(asked.get(name)?.length, name).toBeGreaterThan(20);
  expect(provider.exchanged).toBe(1);
  const cookies = (await page.context().cookies()).filter(({ domain, name }) => domain === '127.0.0.1' && name.includes('tierwall'));
  expect(cookies.find(({ name }) => name === 'tierwall')).toMatchObject({ httpOnly: true, sameSite: 'Strict' });
  // What scripts can read says that there is a session, and nothing else.
  for (const { httpOnly, value } of cookies) expect(httpOnly ? '1' : value).toBe('1');
  for (const { value } of cookies) expect(value).not.toMatch(/^ey/);
  await page.getByRole('button', { name: 'Log out' }).click();
  await expect(page).toHaveURL(/\/login/);
  await page.context().addCookies(cookies);
  expect((await page.request.get('/api/v1/board')).status()).toBe(401);
  await page.context().close();
});

test('what was not begun in this browser is refused: another state, somebody else\'s address, the same code again', async ({ browser, server, provider }) => {
  const page = await visitor(browser, server);
  const exchanged = provider.exchanged;
  // The browser is stopped on its way back, so that the address can be altered.
  provider.hold = true;
  await page.goto('/login/oidc');
  await atProvider(page, 'alice');
  const told = page.getByText('/login/oidc/callback?');
  await expect(told).toBeVisible();
  const back = (await told.textContent()) ?? '';
  provider.hold = false;
  const altered = new URL(back);
  altered.searchParams.set('state', `x${altered.searchParams.get('state')}`);

  const stranger = await visitor(browser, server);
  expect((await stranger.goto(back))?.status()).toBe(401);
  await expect(stranger.getByText(/not begun in this browser/)).toBeVisible();
  expect((await page.goto(altered.href))?.status()).toBe(401);
  await expect(page.getByRole('heading', { name: 'The login did not work' })).toBeVisible();
  // A refused login is over: the right address is of no use after it.
  expect((await page.goto(back))?.status()).toBe(401);
  expect(provider.exchanged, 'codes that were exchanged').toBe(exchanged);
  expect((await page.request.get('/api/v1/session')).status()).toBe(401);
  await page.getByRole('link', { name: 'Log in' }).click();
  await expect(page.getByRole('link', { name: 'Log in with Example' })).toBeVisible();
  for (const one of [page, stranger]) await one.context().close();
});

test('after a login one is led to a place of these pages only', async ({ browser, server }) => {
  const page = await visitor(browser, server);
  await page.goto('/login/oidc?next=https://evil.example/');
  await atProvider(page, 'alice');
  await expect(page).toHaveURL(`${server.url}/`);
  await expect(page.getByRole('heading', { level: 1, name: 'Home' })).toBeVisible();
  await page.context().close();
});
