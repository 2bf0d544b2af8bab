import { expectAccessible } from './accessible';
import { test, visit } from './test';
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
