/** Moving on the board by drag, and what a filter does to it. */
import type { Page } from '@playwright/test';
import { expect, test, visit } from './test';

const column = (page: Page, tier: string) => page.getByRole('region', { name: tier, exact: true });

test('a card that is dragged onto another goes before it', async ({ page, login }) => {
  await login();
  await visit(page, '/policies?tier=moving');
  const cards = column(page, 'moving').getByRole('article');
  await expect(cards).toHaveCount(2);
  const name = (await cards.last().getAttribute('aria-label')) ?? '';
  const handle = await cards.last().getByLabel(/^Drag/).boundingBox();
  const target = await cards.first().boundingBox();
  await page.mouse.move(handle!.x + 10, handle!.y + 10);
  await page.mouse.down();
  await page.mouse.move(handle!.x + 10, handle!.y - 20, { steps: 5 });
  await page.mouse.move(target!.x + 20, target!.y + 20, { steps: 10 });
  await page.mouse.up();
  await expect(page.getByText(/^Moved/)).toBeVisible();
  await expect(cards.first()).toHaveAccessibleName(name);
  await page.reload();
  await expect(cards.first()).toHaveAccessibleName(name);
});

test('nothing is moved past what a filter hides, and an empty board says why', async ({ page, login }) => {
  await login();
  await visit(page, '/policies?q=moving.one');
  const card = column(page, 'moving').getByRole('article');
  await expect(card).toHaveCount(1);
  await card.focus();
  await page.keyboard.press('Alt+ArrowDown');
  await expect(page.getByText(/The filter hides 1 of the 2 policies of tier moving/)).toBeVisible();
  await page.getByRole('textbox', { name: 'Filter' }).fill('no-such-policy');
  await expect(page.getByText(/The filter leaves none of \d+ policies/)).toBeVisible();
  await expect(page).toHaveURL(/q=no-such-policy/);
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  await expect(column(page, 'moving').getByRole('article')).toHaveCount(2);
});
