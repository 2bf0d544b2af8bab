import { expect, test, visit } from './test';

test('who may only read sees the policies, and why none can be made, moved, deleted or saved', async ({ page, server }) => {
  server.kubectl(['create', 'serviceaccount', 'reader', '-n', 'blue']);
  server.kubectl(['create', 'clusterrole', 'reader', '--verb=get,list,watch', '--resource=*.*']);
  server.kubectl(['create', 'clusterrolebinding', 'reader', '--clusterrole=reader', '--serviceaccount=blue:reader']);
  const token = server.kubectl(['create', 'token', 'reader', '-n', 'blue']).trim();
  expect((await page.request.post('/api/v1/session', { data: { token } })).status()).toBe(200);
  await visit(page, '/policies');
  await expect(page.getByRole('article').first()).toBeVisible();
  const create = page.getByRole('button', { name: 'Create policy' });
  await expect(create).toHaveAttribute('aria-disabled', 'true');
  await expect(create).toHaveAccessibleDescription(/You may not: this needs the right to create a policy in one of the tiers that you see/);
  await page.getByRole('button', { name: 'Actions for platform.blue' }).click();
  for (const name of ['Move…', 'Delete…']) await expect(page.getByRole('menuitem', { name })).toHaveAccessibleDescription(/You may not .* this needs/);
  await visit(page, '/policies/NetworkPolicy/blue/platform.blue/edit');
  await page.getByLabel('Order').fill('11');
  await expect(page.getByRole('note')).toContainText(/You may not save this: it needs/);
  await expect(page.getByRole('toolbar', { name: 'Policy actions' }).getByRole('button', { name: 'Save', exact: true })).toBeDisabled();
});
