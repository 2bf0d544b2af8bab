import { defineConfig } from '@playwright/test';

// One browser and one server: the tests share the server's objects, and each writes only its own.
export default defineConfig({
  testDir: 'e2e',
  globalSetup: './e2e/global-setup.ts',
  workers: 1,
  timeout: 30_000,
  expect: { timeout: 10_000 },
  forbidOnly: Boolean(process.env.CI),
  reporter: [['list']],
  use: {
    viewport: { width: 1280, height: 860 },
    locale: 'en-GB',
    contextOptions: { reducedMotion: 'reduce' },
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env.TIERWALL_CHROMIUM ?? '/usr/bin/chromium',
      // What a browser does of its own accord, it does not do here: no traffic leaves the machine.
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    },
  },
  projects: [
    { name: 'manager', testIgnore: 'picture.spec.ts' },
    { name: 'picture', testMatch: 'picture.spec.ts' },
  ],
});
