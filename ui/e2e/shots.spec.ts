/** Not a test: screenshots of every screen, in light, dark and narrow, into the folder TIERWALL_SHOTS, to be looked at. */
import { routes } from './routes';
import { test, visit } from './test';

const folder = process.env.TIERWALL_SHOTS ?? 'test-results/shots';
const sizes = { light: [1440, 900], dark: [1440, 900], narrow: [320, 800] } as const;

test('screenshots', async ({ page, login, expected }) => {
  test.setTimeout(240_000);
  expected.add('401 /api/v1/session');
  await visit(page, '/login');
  await page.screenshot({ path: `${folder}/login.png` });
  await login();
  for (const [style, [width, height]] of Object.entries(sizes)) {
    await page.emulateMedia({ colorScheme: style === 'dark' ? 'dark' : 'light' });
    await page.setViewportSize({ width, height });
    for (const route of [...routes, '/policies?q=none', '/networksets?q=none', '/policies/NetworkPolicy/blue/gone/edit']) {
      expected.add('404 /api/v1/objects');
      await visit(page, route).catch(() => {});
      const name = route.replaceAll(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '') || 'home';
      await page.screenshot({ path: `${folder}/${style}-${name}.png`, fullPage: style === 'narrow' });
    }
  }
});
