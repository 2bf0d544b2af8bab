/** What the policy form does when something is in its way. */
import type { Page } from '@playwright/test';
import { stringify } from 'yaml';
import { expect, test, visit } from './test';
import { PolicyForm } from './policy-form';

const saveButton = (page: Page) => page.getByRole('toolbar', { name: 'Policy actions' }).getByRole('button', { name: 'Save', exact: true });

/** A policy of its own for a test, in tier platform. */
function policy(name: string, rule: object): string {
  return stringify({ apiVersion: 'projectcalico.org/v3', kind: 'NetworkPolicy', metadata: { name, namespace: 'purple' }, spec: { tier: 'platform', order: 500, selector: "app/tier == 'BE'", ingress: [rule] } });
}

test('a click right after typing is done, and what was typed is kept', async ({ page, login }) => {
  await page.setViewportSize({ width: 1280, height: 1500 });
  await login();
  await visit(page, '/policies/new');
  const text = page.getByLabel('Endpoints as text');
  const rows = page.getByLabel('Endpoints, condition 1: operator');
  for (let time = 0; time < 3; time++) {
    await text.fill('');
    await text.pressSequentially("app/tier == 'FE");
    await expect(page.getByText(/at character/)).toBeVisible();
    const box = await page.getByRole('button', { name: '+ Add ingress rule' }).boundingBox();
    await page.mouse.move(box!.x + box!.width / 2, box!.y + box!.height / 2);
    // The last letter brings the rows, which push the button away from under the pointer.
    await page.keyboard.type("'");
    await page.mouse.down();
    await page.waitForTimeout(200); // longer than the pause after which letters are written
    await expect(rows).toHaveCount(0);
    await page.mouse.up();
    await expect(page.getByRole('group', { name: 'Create new policy rule' })).toBeVisible();
    await expect(rows).toBeVisible();
    await expect(text).toHaveValue("app/tier == 'FE'");
    await page.getByRole('button', { name: 'Cancel' }).click();
  }
});

test('what the server refuses of a rule stands at that rule, before saving and after', async ({ page, login, expected }) => {
  await login();
  const form = new PolicyForm(page);
  await form.create('refused', { tier: 'platform' });
  const first = await form.addRule('ingress');
  await first.save();
  const second = await form.addRule('ingress');
  await second.tags('Nets: is', ['10.0.0.0/99']);
  await expect(second.panel.getByText(/10\.0\.0\.0\/99/).last()).toBeVisible();
  await second.save();
  const rule = (at: number) => page.getByRole('group', { name: `ingress rule ${at}` });
  await expect(rule(1).getByText(/^✕ .*10\.0\.0\.0/)).toBeVisible();
  await expect(rule(0).getByText(/^✕ ./)).toHaveCount(0);
  for (const status of [400, 422]) expected.add(`${status} /api/v1/objects`);
  await saveButton(page).click();
  await expect(page.getByRole('alert').filter({ hasText: 'Not saved' })).toContainText('10.0.0.0/99');
  await expect(rule(1).getByText(/^✕ .*10\.0\.0\.0/)).toBeVisible();
  await expect(page).toHaveURL(/\/policies\/new/);
});

test('somebody else saved first: both texts are shown, and neither is lost', async ({ page, login, expected, server }) => {
  expected.add('409 /api/v1/objects');
  server.kubectl(['create', '-f', '-'], policy('contended', { action: 'Allow', protocol: 'TCP' }));
  await login();
  await visit(page, '/policies/NetworkPolicy/purple/contended/edit');
  await page.getByLabel('Order').fill('501');
  server.kubectl(['patch', 'networkpolicies.projectcalico.org', '-n', 'purple', 'contended', '--type', 'merge', '-p', '{"spec":{"selector":"app/tier == \'FE\'"}}']);
  await saveButton(page).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByLabel('Yours')).toContainText(/▸\s+order: 501/);
  await expect(dialog.getByLabel('What is stored now')).toContainText(/▸\s+selector: app\/tier == 'FE'/);
  await dialog.getByRole('button', { name: 'Keep editing mine' }).click();
  await expect(page.getByLabel('Order')).toHaveValue('501');
  await saveButton(page).click();
  await dialog.getByRole('button', { name: /Take what is stored/ }).click();
  await expect(page.getByLabel('Endpoints as text')).toHaveValue("app/tier == 'FE'");
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(page.getByLabel('Order')).toHaveValue('501');
  await expect(page.getByLabel('Endpoints as text')).toHaveValue("app/tier == 'BE'");
  await saveButton(page).click();
  await expect(page.getByText('not saved')).toHaveCount(0);
  expect(server.kubectl(['get', 'networkpolicies.projectcalico.org', '-n', 'purple', 'contended', '-o', 'jsonpath={.spec.order} {.spec.selector}'])).toBe("501 app/tier == 'BE'");
  server.kubectl(['delete', 'networkpolicies.projectcalico.org', '-n', 'purple', 'contended']);
});

test('a session that ends in the middle of an edit takes nothing away', async ({ page, login, expected, server }) => {
  for (const path of ['session', 'draft', 'events', 'cluster', 'tiers', 'namespaces', 'labels', 'access']) expected.add(`401 /api/v1/${path}`);
  await login();
  await visit(page, '/policies/new');
  await page.getByLabel(/^Name\b/).fill('half-done');
  await page.context().clearCookies();
  await page.getByLabel('Order').fill('7');
  // One logs in again over the page, and goes on.
  const dialog = page.getByRole('dialog', { name: 'Your session has ended' });
  await dialog.getByLabel(/^Token/).fill(server.tokens.administrator ?? '');
  await dialog.getByRole('button', { name: 'Log in' }).click();
  await expect(dialog).toHaveCount(0);
  await expect(page.getByLabel(/^Name\b/)).toHaveValue('half-done');
  await expect(page.getByText(/^It would stand/).or(page.getByText(/^Applies to/)).first()).toBeVisible();

  // And who closes the page finds a draft of it the next time, and only where it belongs.
  const later = await page.context().newPage();
  await visit(later, '/policies/NetworkPolicy/blue/platform.blue/edit');
  await expect(later.getByText('An unsaved draft is kept')).toHaveCount(0);
  await visit(later, '/policies/new');
  const offer = later.getByRole('alert').filter({ hasText: 'half-done' });
  await expect(offer).toContainText('It is of half-done');
  await offer.getByRole('button', { name: 'Restore the draft' }).click();
  await expect(later.getByLabel(/^Name\b/)).toHaveValue('half-done');
  await expect(later.getByLabel('Order')).toHaveValue('7');
  await later.close();
});

test('HTML in what people write is text', async ({ page, login, server, expected }) => {
  expected.add('404 /api/v1/endpoint');
  const html = '<img src=x onerror=document.title=1><b>bold</b>';
  server.kubectl(['create', '-f', '-'], policy('markup', { action: 'Allow', metadata: { annotations: { name: html } }, source: { selector: `who == '${html}'` } }));
  await login();
  for (const path of ['/policies?q=markup', '/policies?view=table&q=markup', '/policies/NetworkPolicy/purple/markup/edit', '/endpoint?ref=purple/be-1', `/endpoint?ref=${encodeURIComponent(html)}`]) {
    await page.goto(path);
    await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0);
    await expect(page.locator('#content').getByText(/bold|markup|<img/).first(), path).toBeAttached();
    expect(await page.locator('img, #content b').count(), path).toBe(0);
    expect(await page.title(), path).not.toBe('1');
  }
  await page.goto('/policies/NetworkPolicy/purple/markup/edit');
  await expect(page.getByRole('group', { name: 'ingress rule 0' })).toContainText(html);
  server.kubectl(['delete', 'networkpolicies.projectcalico.org', '-n', 'purple', 'markup']);
});
