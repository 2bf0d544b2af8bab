import { expect, test, visit } from './test';

const signIn = '/api/v1/session';

test('a token that is none is refused with a sentence, one that is opens the place that was asked for', async ({ page, expected, server }) => {
  expected.add(`401 ${signIn}`);
  await page.goto('/tiers');
  await expect(page).toHaveURL(/\/login\?next=/);
  await page.getByLabel(/^Token/).fill('no-such-token');
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('alert', { name: 'The server refused it' })).toContainText('does not take this token');
  await page.getByLabel(/^Token/).fill(server.tokens.administrator ?? '');
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page).toHaveURL(`${server.url}/tiers`);
  await expect(page.getByRole('heading', { level: 1, name: 'Tiers' })).toBeVisible();
});

test('a token in the address is not taken', async ({ page, expected, server }) => {
  expected.add(`401 ${signIn}`);
  await page.goto(`/?token=${server.tokens.administrator}`);
  await expect(page).toHaveURL(/\/login/);
});

test('the session is in a cookie that no script reads, and logging out ends it', async ({ page, login, expected, server }) => {
  await login();
  await visit(page, '/');
  const [cookie] = await page.context().cookies();
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' });
  expect(await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage }))).not.toContain(server.tokens.administrator ?? '');
  await page.getByRole('button', { name: 'Log out' }).click();
  await expect(page).toHaveURL(/\/login/);
  // Who kept the cookie has nothing in hand.
  await page.context().addCookies([cookie!]);
  expect((await page.request.get('/api/v1/board')).status()).toBe(401);
  expected.add(`401 ${signIn}`);
  await page.goto('/policies');
  await expect(page).toHaveURL(/\/login\?next=/);
});
