/** A policy's whole life with keys alone: nothing here touches a pointer. */
import type { Locator, Page } from '@playwright/test';
import { expect, test } from './test';

/** Tabs to an element from where the focus is, as a person does who sees it further down. */
async function tabTo(page: Page, target: Locator, key = 'Tab'): Promise<void> {
  for (let steps = 0; steps < 150; steps++) {
    if (await target.evaluateAll((found) => found.some((element) => element === document.activeElement))) return;
    await page.keyboard.press(key);
  }
  throw new Error(`the focus does not come to ${target.toString()}`);
}

test('keys alone create, edit, reorder and delete a policy', async ({ page, server, expected }) => {
  expected.add('401 /api/v1/session');
  // The server's notes on a new policy make a new version of it: that is tried again.
  expected.add('409 /api/v1/objects');
  await page.goto('/policies');
  await tabTo(page, page.getByLabel(/^Token/));
  await page.keyboard.insertText(server.tokens.administrator ?? '');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'Policies' })).toBeVisible();

  // Create.
  await tabTo(page, page.getByRole('link', { name: 'Create policy' }));
  await page.keyboard.press('Enter');
  await tabTo(page, page.getByLabel(/^Name\b/));
  await page.keyboard.type('keys');
  await expect(page.getByLabel('Tier').getByRole('option', { name: 'keyboard' })).toBeAttached();
  await tabTo(page, page.getByLabel('Tier'));
  await page.keyboard.type('keyboard');
  await expect(page.getByLabel('Tier')).toHaveValue('keyboard');
  await tabTo(page, page.getByLabel('Order'));
  await page.keyboard.type('20');
  await tabTo(page, page.getByLabel('Endpoints as text'));
  await page.keyboard.type("app/tier == 'BE'");
  await tabTo(page, page.getByRole('button', { name: '+ Add ingress rule' }));
  await page.keyboard.press('Enter');
  // The focus is in the rule that was opened.
  await expect(page.getByRole('heading', { name: 'Create new policy rule' })).toBeFocused();
  await tabTo(page, page.getByLabel('Action'));
  await page.keyboard.type('Pass');
  await tabTo(page, page.getByRole('button', { name: 'Save rule' }));
  await page.keyboard.press('Enter');
  // And comes back to it when it is closed.
  await expect(page.getByRole('button', { name: 'Edit ingress rule 0' })).toBeFocused();
  const save = page.getByRole('toolbar', { name: 'Policy actions' }).getByRole('button', { name: 'Save', exact: true });
  await tabTo(page, save, 'Shift+Tab');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/policies\/GlobalNetworkPolicy\/-\/keys\/edit/);

  // Edit: another rule, which is moved up.
  await tabTo(page, page.getByRole('button', { name: '+ Add ingress rule' }));
  await page.keyboard.press('Enter');
  await tabTo(page, page.getByLabel('Action'));
  await page.keyboard.type('Deny');
  await page.keyboard.press('Tab');
  await tabTo(page, page.getByRole('button', { name: 'Save rule' }));
  await page.keyboard.press('Enter');
  await tabTo(page, page.getByRole('button', { name: 'Move ingress rule 1 up' }));
  await page.keyboard.press('Enter');
  await expect(page.getByRole('group', { name: 'ingress rule 0' })).toContainText('0 · Deny');
  await expect(page.getByRole('button', { name: 'Edit ingress rule 0' })).toBeFocused();
  await tabTo(page, save, 'Shift+Tab');
  await page.keyboard.press('Enter');
  await expect(page.getByText('not saved')).toHaveCount(0);
  await tabTo(page, page.getByRole('button', { name: 'Close', exact: true }), 'Shift+Tab');
  await page.keyboard.press('Enter');

  // Reorder: before the other one of the tier.
  const cards = page.getByRole('region', { name: 'keyboard', exact: true }).getByRole('article');
  await expect(cards.last()).toHaveAccessibleName(/keys$/);
  await tabTo(page, cards.last());
  await page.keyboard.press('Alt+ArrowUp');
  await expect(cards.first()).toHaveAccessibleName(/keys$/);
  await expect(cards.first()).toBeFocused();

  // Delete.
  await tabTo(page, page.getByRole('button', { name: 'Actions for keys' }));
  await page.keyboard.press('Enter');
  await expect(page.getByRole('menuitem', { name: 'Delete…' })).toBeVisible();
  for (let steps = 0; steps < 6 && !(await page.getByRole('menuitem', { name: 'Delete…' }).evaluate((element) => element === document.activeElement)); steps++) await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await tabTo(page, page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }));
  await page.keyboard.press('Enter');
  await expect(cards).toHaveCount(1);
  expect(server.kubectl(['get', 'globalnetworkpolicies.projectcalico.org', '-o', 'name'])).not.toContain('/keys');
});
