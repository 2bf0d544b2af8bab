/** What every page is held to: contrast, names and roles in light and dark, and a width of 320 px. */
import type { Page } from '@playwright/test';
import AxeBuilder from '@axe-core/playwright';
import { expect } from './test';

export async function expectAccessible(page: Page): Promise<void> {
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
