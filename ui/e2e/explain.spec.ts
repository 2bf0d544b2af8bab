import { expect, test, visit } from './test';

test('"can X reach Y?" answers with the verdict, and the policy and rule that decided', async ({ page, login }) => {
  await login();
  await visit(page, '/explain');
  await page.getByLabel(/^From/).first().fill('blue/fe-1');
  await page.getByLabel(/^To\b/).first().fill('blue/be-1');
  await page.getByLabel('Port').fill('tcp/80');
  await page.getByRole('button', { name: 'Ask' }).click();
  await expect(page.getByText('Yes, allowed')).toBeVisible();
  const ingress = page.locator('section').filter({ hasText: 'At the destination' });
  await expect(ingress.getByRole('link', { name: /platform\.blue/ }).first()).toBeVisible();
  await expect(ingress).toContainText('rule 0');
});

test('a denial says which tier ended', async ({ page, login }) => {
  await login();
  await visit(page, '/explain?from=red/fe-1&to=blue/be-1&port=tcp/9090');
  await expect(page.getByText('No, denied')).toBeVisible();
  await expect(page.locator('section').filter({ hasText: 'At the destination' })).toContainText('tier platform');
});
