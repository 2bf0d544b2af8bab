/** The tests' `test`: its page fails them for whatever the browser complains about, the content security policy before all. */
import { test as base, expect, type Page } from '@playwright/test';

export const origin = () => process.env.TIERWALL_URL ?? '';
export const token = () => process.env.TIERWALL_TOKEN ?? '';

interface Fixtures {
  /** Logs the page in, without the form. */
  login: () => Promise<void>;
  /** Answers that the test means to get, as `STATUS PATH`; every other one of 400 and more fails it. */
  expected: Set<string>;
}

export const test = base.extend<Fixtures>({
  baseURL: async ({}, use) => use(origin()),
  expected: async ({}, use) => use(new Set()),
  page: async ({ page, expected }, use) => {
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(`error in the page: ${error.message}`));
    page.on('console', (message) => {
      // Answers are looked at below, where it is known what was asked.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) complaints.push(`console: ${message.text()}`);
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(origin()) && !/^(data|blob|about):/.test(request.url())) complaints.push(`asked elsewhere: ${request.url()}`);
    });
    page.on('response', (response) => {
      const what = `${response.status()} ${new URL(response.url()).pathname}`;
      if (response.status() >= 400 && !expected.has(what)) complaints.push(`answered ${what}`);
    });
    await use(page);
    expect(complaints, 'what the browser complained about').toEqual([]);
  },
  login: async ({ page }, use) => use(async () => {
    const answer = await page.request.post(`${origin()}/api/v1/session`, { data: { token: token() } });
    expect(answer.status(), await answer.text()).toBe(200);
  }),
});

/** Goes to a place, and waits until it shows what it asked the server for. */
export async function visit(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0);
}

export { expect };
