/** The tests' `test`: its page fails them for whatever the browser complains about, the content security policy before all. */
import { test as base, expect, type Page } from '@playwright/test';
import { startDemo, startServer, type Server, type User } from './server';
import { fill } from './world';

interface Fixtures {
  /** Logs the page in, without the form: the administrator, if nobody is named. */
  login: (user?: User) => Promise<void>;
  /** Answers that the test means to get, as `STATUS PATH`; every other one of 400 and more fails it. */
  expected: Set<string>;
}

interface WorkerFixtures {
  /** The server that the tests of a file share. */
  server: Server;
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  server: [async ({}, use) => {
    const server = await startServer();
    try {
      fill(server);
      await use(server);
    } finally {
      await server.stop();
    }
  }, { scope: 'worker', timeout: 120_000 }],
  baseURL: async ({ server }, use) => use(server.url),
  expected: async ({}, use) => use(new Set()),
  page: async ({ page, expected, baseURL }, use) => {
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(`error in the page: ${error.message}`));
    page.on('console', (message) => {
      // Answers are looked at below, where it is known what was asked.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) complaints.push(`console: ${message.text()}`);
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(baseURL ?? '') && !/^(data|blob|about):/.test(request.url())) complaints.push(`asked elsewhere: ${request.url()}`);
    });
    page.on('response', (response) => {
      const what = `${response.status()} ${new URL(response.url()).pathname}`;
      if (response.status() >= 400 && !expected.has(what)) complaints.push(`answered ${what}`);
    });
    await use(page);
    expect(complaints, 'what the browser complained about').toEqual([]);
  },
  login: async ({ page, server }, use) => use(async (user = 'administrator') => {
    const answer = await page.request.post('/api/v1/session', { data: { token: server.tokens[user] } });
    expect(answer.status(), await answer.text()).toBe(200);
  }),
});

/** The same with the demo: the tutorial's cluster in a lab, without policies, and its three users. */
export const demoTest = test.extend<Fixtures, WorkerFixtures>({
  server: [async ({}, use) => {
    const server = await startDemo();
    await use(server);
    await server.stop();
  }, { scope: 'worker', timeout: 180_000 }],
});

/** Goes to a place, and waits until it shows what it asked the server for. */
export async function visit(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0);
}

export { expect };
