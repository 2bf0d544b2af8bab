import type { Locator, Page } from '@playwright/test';
import { expect, test, visit } from './test';

const column = (page: Page, tier: string) => page.getByRole('region', { name: tier, exact: true });

test('the board shows the tiers in their order, and each policy where it stands', async ({ page, login }) => {
  await login();
  await visit(page, '/policies');
  const tiers = page.getByRole('region', { name: 'Board of tiers' }).getByRole('heading', { level: 2 });
  await expect(tiers.filter({ hasText: /^(security|platform|moving|keyboard|default)$/ })).toHaveText(['security', 'platform', 'moving', 'keyboard', 'default']);
  await expect(column(page, 'security').getByRole('article')).toHaveAccessibleName(/security\.outside/);
  // Columns far to the right are drawn once they are near.
  await column(page, 'default').scrollIntoViewIfNeeded();
  await expect(page.getByRole('article', { name: /green\/from-green/ })).toContainText('order 1000, fixed');
  await expect(page.getByRole('article', { name: /red\/soon/ })).toContainText('not enforced');
});

test('a policy that is made with the form is stored, and stands on the board', async ({ page, login }) => {
  await login();
  await visit(page, '/policies');
  await page.getByRole('link', { name: 'Create policy' }).click();
  await page.getByLabel(/^Name\b/).fill('platform.by-form');
  await page.getByLabel('Tier').selectOption('platform');
  await page.getByLabel('Order').fill('50');
  await page.getByRole('combobox', { name: 'Scope' }).selectOption('red');
  await page.getByLabel('Endpoints as text').first().fill("app/tier == 'BE'");
  await page.getByLabel('Endpoints as text').first().blur();
  await expect(page.getByText(/^Applies to \d+ pods?\.$/)).toBeVisible();
  await page.getByRole('button', { name: '+ Add ingress rule' }).click();
  const rule = page.getByRole('group', { name: 'Create new policy rule' });
  await expect(rule).toBeVisible();
  await rule.getByLabel('Action').selectOption('Deny');
  await rule.getByRole('button', { name: 'Save rule' }).click();
  await page.getByRole('toolbar', { name: 'Policy actions' }).getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page).toHaveURL(/\/policies\/NetworkPolicy\/red\/platform\.by-form\/edit/);
  await visit(page, '/policies');
  const card = column(page, 'platform').getByRole('article', { name: /red\/platform\.by-form/ });
  await expect(card).toContainText('order 50');
  await page.getByRole('button', { name: 'Actions for platform.by-form' }).click();
  await page.getByRole('menuitem', { name: 'Delete…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(card).toHaveCount(0);
});

test('the dialog moves a policy before another', async ({ page, login }) => {
  await login();
  await visit(page, '/policies');
  const cards = column(page, 'moving').getByRole('article');
  await expect(cards).toHaveCount(2);
  // Other tests move them too: which of them is last is found out.
  const nameOf = async (card: Locator) => (/moving\.(one|two)/.exec((await card.getAttribute('aria-label')) ?? '') ?? [''])[0];
  const [first, last] = [await nameOf(cards.first()), await nameOf(cards.last())];
  await page.getByRole('button', { name: `Actions for ${last}` }).click();
  await page.getByRole('menuitem', { name: 'Move…' }).click();
  const dialog = page.getByRole('dialog', { name: `Move ${last}` });
  await dialog.getByLabel('Place').first().click();
  await page.getByRole('option', { name: `before ${first}` }).click();
  await expect(dialog.getByRole('status')).toContainText(/order/);
  await dialog.getByRole('button', { name: 'Move', exact: true }).click();
  await expect(cards.first()).toHaveAccessibleName(new RegExp(last));
  await page.reload();
  await expect(cards.first()).toHaveAccessibleName(new RegExp(last));
});

test('with a card focused, Alt and an arrow key moves it', async ({ page, login }) => {
  await login();
  await visit(page, '/policies');
  const cards = column(page, 'moving').getByRole('article');
  const name = (await cards.last().getAttribute('aria-label')) ?? '';
  await cards.last().focus();
  await page.keyboard.press('Alt+ArrowUp');
  await expect(cards.first()).toHaveAccessibleName(name);
});
