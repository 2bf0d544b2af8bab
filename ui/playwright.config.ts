import { defineConfig } from '@playwright/test';

// One browser and, for each project, one server: the tests share its objects, and each writes only its own.
export default defineConfig({
  testDir: 'e2e',
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
    { name: 'manager', testIgnore: ['picture.spec.ts', 'tutorial.spec.ts', 'shots.spec.ts', 'scale.spec.ts'] },
    { name: 'tutorial', testMatch: 'tutorial.spec.ts' },
    { name: 'scale', testMatch: 'scale.spec.ts' },
    { name: 'shots', testMatch: 'shots.spec.ts' },
    { name: 'picture', testMatch: 'picture.spec.ts' },
  ],
});
