/** The policy form, in the words that people find on it. */
import type { Locator, Page } from '@playwright/test';
import { expect, visit } from './test';

export class PolicyForm {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** From the board to the form of a new policy. */
  async create(name: string, { tier, scope, order }: { tier?: string; scope?: string; order?: number } = {}): Promise<void> {
    await visit(this.page, '/policies');
    await this.page.getByRole('link', { name: 'Create policy' }).click();
    await this.page.getByLabel(/^Name\b/).fill(name);
    if (tier !== undefined) await this.page.getByLabel('Tier').selectOption(tier);
    if (order !== undefined) await this.page.getByLabel('Order').fill(String(order));
    await this.page.getByRole('combobox', { name: 'Scope' }).selectOption({ label: scope === undefined ? 'Global' : `Namespace ${scope}` });
  }

  /** From the board to the form of a policy that is there. */
  async edit(name: string): Promise<void> {
    await visit(this.page, '/policies');
    await this.page.getByRole('article', { name: new RegExp(`${name}$`) }).getByRole('link', { name, exact: true }).click();
    await expect(this.page.getByRole('heading', { level: 1, name: `Edit ${name}` })).toBeVisible();
  }

  /** Adds a condition to a selector, with the builder. */
  async condition(selector: Locator, key: string, operator: string, values: string[]): Promise<void> {
    await selector.getByRole('button', { name: /^\+ Add (label|namespace) selector/ }).click();
    await selector.locator('input[aria-label$="label key"]').last().fill(key);
    await this.page.keyboard.press('Escape');
    await selector.getByLabel(/: operator$/).last().selectOption(operator);
    if (operator === 'in') {
      const tags = selector.locator('input[aria-label$=": values"]').last();
      for (const value of values) {
        await tags.fill(value);
        await tags.press('Enter');
      }
      await this.page.keyboard.press('Escape');
    } else {
      await selector.locator('input[aria-label$=": value"]').last().fill(values[0] ?? '');
      await this.page.keyboard.press('Escape');
    }
  }

  /** A selector of "Applies to". */
  appliesTo(title: 'Endpoints' | 'Namespaces' | 'Service accounts'): Locator {
    return this.page.getByRole('group', { name: title, exact: true });
  }

  async addRule(direction: 'ingress' | 'egress'): Promise<Rule> {
    await this.page.getByRole('button', { name: `+ Add ${direction} rule` }).click();
    return new Rule(this, this.page.getByRole('group', { name: 'Create new policy rule' }));
  }

  async editRule(name: string): Promise<Rule> {
    await this.page.getByRole('button', { name: `Edit ${name}` }).click();
    return new Rule(this, this.page.getByRole('group', { name: 'Edit policy rule' }));
  }

  /** What the policy, or the rule that is open, takes in: the words beside the form. */
  async takesIn(words: string): Promise<void> {
    await expect(this.page.getByTestId('matched')).toHaveText(`✓ ${words}`);
  }

  /** The check marks of the picture, as "box: item" of what is taken in. */
  async marks(): Promise<string[]> {
    const picture = this.page.getByRole('region', { name: 'Cluster picture' });
    const found: string[] = [];
    for (const box of await picture.getByRole('group').all()) {
      const title = await box.getAttribute('aria-label');
      for (const item of await box.getByRole('listitem').all()) {
        const text = (await item.innerText()).trim();
        if (text.startsWith('✓')) found.push(`${title}: ${text.replace(/^✓\s*/, '').replace(/\s*taken in$/, '').trim()}`);
      }
    }
    return found;
  }

  async save(id: string): Promise<void> {
    await this.page.getByRole('toolbar', { name: 'Policy actions' }).getByRole('button', { name: 'Save', exact: true }).click();
    await expect(this.page).toHaveURL(new RegExp(`/policies/${id.replaceAll('.', '\\.')}/edit`));
    await expect(this.page.getByText('not saved', { exact: false })).toHaveCount(0);
  }
}

/** The dialog of a rule. */
export class Rule {
  readonly form: PolicyForm;
  readonly panel: Locator;

  constructor(form: PolicyForm, panel: Locator) {
    this.form = form;
    this.panel = panel;
  }

  action(action: string): Promise<string[]> {
    return this.panel.getByLabel('Action').selectOption(action);
  }

  protocol(protocol: string): Promise<string[]> {
    return this.panel.getByRole('combobox', { name: 'Protocol', exact: true }).selectOption(protocol);
  }

  async tags(label: string, values: string[]): Promise<void> {
    const field = this.panel.locator(`input[aria-label="${label}"]`);
    for (const value of values) {
      await field.fill(value);
      await field.press('Enter');
    }
    await this.form.page.keyboard.press('Escape');
  }

  /** The endpoint selector of the peer, or its namespaces. */
  selector(title: 'Endpoint selector' | 'Namespaces'): Locator {
    return this.panel.getByRole('group', { name: title, exact: true });
  }

  namespaces(choice: 'Namespaced' | 'Match all' | 'Global'): Promise<void> {
    return this.panel.getByRole('radio', { name: choice }).check();
  }

  save(): Promise<void> {
    return this.panel.getByRole('button', { name: 'Save rule' }).click();
  }
}

/** Deletes a policy from its card's menu. */
export async function deletePolicy(page: Page, name: string): Promise<void> {
  await visit(page, '/policies');
  await page.getByRole('button', { name: `Actions for ${name}`, exact: true }).click();
  await page.getByRole('menuitem', { name: 'Delete…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
  await expect(page.getByRole('article', { name: new RegExp(`${name}$`) })).toHaveCount(0);
}
