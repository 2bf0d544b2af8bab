/** Not a test: makes the picture of the README from the real server. `make picture`. */
import { expect, test, visit } from './test';

test.use({ colorScheme: 'light', viewport: { width: 1440, height: 860 } });

test('docs/pictures/manager.png', async ({ page, login }) => {
  await login();
  await visit(page, '/policies');
  await expect(page.getByRole('article').first()).toBeVisible();
  await expect(page.getByText('live', { exact: true })).toBeVisible();
  await page.screenshot({ path: '../docs/pictures/manager.png' });
});
