import type { Page } from '@playwright/test';
import AxeBuilder from '@axe-core/playwright';
import { expect, test, visit } from './test';
import { routes } from './routes';

test('/login: axe finds nothing serious in light and dark, and it fits 320 px', async ({ page, expected }) => {
  expected.add('401 /api/v1/session');
  await visit(page, '/login');
  await expectAccessible(page);
});

for (const route of routes) {
  test(`${route}: axe finds nothing serious in light and dark, and it fits 320 px`, async ({ page, login }) => {
    await login();
    await visit(page, route);
    await expectAccessible(page);
  });
}

async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await expect(page.locator('html')).toHaveAttribute('data-mantine-color-scheme', colorScheme);
    // the attribute is there a frame before all colours are
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    expect(await serious(page), colorScheme).toEqual([]);
  }
  await page.setViewportSize({ width: 320, height: 720 });
  await expect.poll(() => tooWide(page), 'wider than 320 px').toEqual([]);
}

async function serious(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)} ${node.failureSummary ?? ''}`));
}

/** What stands over the right edge, if the page can be scrolled to it. */
function tooWide(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const over = [...document.querySelectorAll('body *')].filter((element) => element.getBoundingClientRect().right > clientWidth + 1);
    return [`${scrollWidth} px`, ...over.map((element) => element.outerHTML.slice(0, 120)).slice(0, 5)];
  });
}
