/** The Kubernetes API, and then the Manager, out of reach: what is shown says how old it is, and what is typed is kept. */
import { expect, visit } from './test';
import { test } from './ways';

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
