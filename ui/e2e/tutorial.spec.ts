/**
 * The whole tutorial by clicks, section by section, against the demo: each policy is made in the
 * Manager, and real connections between the lab's machines are asked before and after.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { demoTest as test, expect, visit } from './test';
import { Lab } from './lab';
import { deletePolicy, PolicyForm } from './policy-form';

test.describe.configure({ mode: 'serial' });

let lab: Lab;
test.beforeAll(({ server }) => {
  lab = new Lab(server);
});

test('the administrator logs in with what the demo prints, and makes the tier of the security team', async ({ page, server, expected }) => {
  expected.add('401 /api/v1/session');
  await page.goto('/');
  await page.getByLabel(/^Token/).fill(server.tokens.administrator ?? '');
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Home' })).toBeVisible();
  // The tutorial's cluster: four namespaces, three nodes.
  const picture = page.getByRole('region', { name: 'Picture of the cluster' });
  for (const name of ['blue', 'red', 'green', 'purple', 'node-1', 'node-2', 'node-3', 'hep-1', 'networkset-1', 'globalnetworkset-1']) await expect(picture.getByText(name, { exact: true }).first()).toBeVisible();
  await page.getByRole('link', { name: 'Tiers' }).click();
  await page.getByRole('button', { name: 'Create tier' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/^Name/).fill('security');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('cell', { name: 'security', exact: true })).toBeVisible();
  await lab.settles([['red/fe-1', 'blue/be-1'], ['172.30.0.100', 'blue/be-1'], ['blue/be-1', '172.30.0.100'], ['red/fe-1', 'blue/be-1', 'udp/53']], []);
});

test('scope: a global policy applies to every pod and host endpoint', async ({ page, login }) => {
  await login('security engineer');
  const form = new PolicyForm(page);
  await form.create('everything', { tier: 'security' });
  await form.takesIn('13 pods, 3 host endpoints');
  await form.save('GlobalNetworkPolicy/-/everything');
  await lab.settles([['blue/fe-1', '172.30.0.100']], [['red/fe-1', 'blue/be-1'], ['blue/fe-1', 'blue/be-1'], ['blue/fe-1', 'node:node-2'], ['172.30.0.100', 'green/be-1']]);
  await deletePolicy(page, 'everything');
  await lab.settles([['red/fe-1', 'blue/be-1'], ['172.30.0.100', 'green/be-1']], []);
});

test('scope: a policy of a namespace applies to every pod of it', async ({ page, login }) => {
  await login('security engineer');
  const form = new PolicyForm(page);
  await form.create('all-of-red', { tier: 'security', scope: 'red' });
  await form.takesIn('4 pods');
  expect((await form.marks()).every((mark) => mark.startsWith('red:'))).toBe(true);
  await form.save('NetworkPolicy/red/all-of-red');
  await lab.settles([['red/fe-1', 'blue/be-1']], [['blue/fe-1', 'red/fe-1'], ['red/fe-1', 'red/be-2']]);
  await deletePolicy(page, 'all-of-red');
  await lab.settles([['blue/fe-1', 'red/fe-1']], []);
});

test('applies to: labels, namespaces and service accounts narrow the scope', async ({ page, login }) => {
  await login('security engineer');
  const form = new PolicyForm(page);
  await form.create('purple-batch', { tier: 'security' });
  await form.condition(form.appliesTo('Namespaces'), 'color', '==', ['purple']);
  await form.takesIn('3 pods');
  await form.condition(form.appliesTo('Service accounts'), 'duty', '==', ['batch']);
  await form.takesIn('2 pods');
  await form.save('GlobalNetworkPolicy/-/purple-batch');
  await lab.settles([['purple/fe-1', 'purple/fe-2']], [['purple/fe-2', 'purple/fe-1'], ['purple/fe-2', 'purple/be-1']]);
  await deletePolicy(page, 'purple-batch');
});

test('applies to, type, endpoint selector: BLUE\'s backend may reach BLUE\'s frontends', async ({ page, login }) => {
  await login('security engineer');
  const form = new PolicyForm(page);
  await form.create('fe', { tier: 'security', scope: 'blue' });
  await form.condition(form.appliesTo('Endpoints'), 'app/tier', '==', ['FE']);
  await form.takesIn('3 pods');
  await expect(page.getByRole('checkbox', { name: 'Ingress' })).toBeChecked();
  const rule = await form.addRule('ingress');
  await form.condition(rule.selector('Endpoint selector'), 'app/tier', '==', ['BE']);
  await form.takesIn('1 pod');
  expect(await form.marks()).toEqual(['blue: app/tier: BE ×1']);
  await rule.save();
  await lab.settles([['green/be-1', 'blue/fe-1'], ['blue/fe-2', 'blue/fe-1']], []);
  await form.save('NetworkPolicy/blue/fe');
  await lab.settles(
    [['blue/be-1', 'blue/fe-1'], ['blue/be-1', 'blue/fe-3', 'tcp/8080'], ['green/be-1', 'blue/be-1']],
    [['blue/be-1', 'blue/fe-1', 'udp/53'], ['green/be-1', 'blue/fe-1'], ['blue/fe-2', 'blue/fe-1'], ['172.30.0.100', 'blue/fe-1']],
  );
});

test('namespace selector: the rule reaches GREEN, the scope stays BLUE', async ({ page, login }) => {
  await login('security engineer');
  const form = new PolicyForm(page);
  await form.edit('fe');
  const rule = await form.editRule('ingress rule 0');
  await form.condition(rule.selector('Namespaces'), 'projectcalico.org/name', 'in', ['blue', 'green']);
  await form.takesIn('2 pods');
  await rule.save();
  await form.save('NetworkPolicy/blue/fe');
  await lab.settles([['green/be-1', 'blue/fe-2'], ['blue/be-1', 'blue/fe-2'], ['red/be-1', 'green/fe-1']], [['red/be-1', 'blue/fe-2'], ['green/fe-1', 'blue/fe-2']]);
});

test('match all: what is in the namespace, its network set too; with namespaces, what is in those', async ({ page, login }) => {
  await login('security engineer');
  const form = new PolicyForm(page);
  await form.edit('fe');
  const rule = await form.editRule('ingress rule 0');
  await rule.selector('Endpoint selector').getByRole('checkbox', { name: 'Match all' }).check();
  await form.takesIn('6 pods, 3 network sets');
  await rule.selector('Namespaces').getByRole('button', { name: /^Remove/ }).click();
  await form.takesIn('4 pods, 1 network set');
  await rule.save();
  await form.save('NetworkPolicy/blue/fe');
  await lab.settles([['blue/be-1', 'blue/fe-1'], ['blue/fe-2', 'blue/fe-1'], ['172.30.0.101', 'blue/fe-1']], [['172.30.0.103', 'blue/fe-1'], ['172.30.0.100', 'blue/fe-1'], ['green/be-1', 'blue/fe-1']]);
});

test('global: host endpoints and global network sets, and no pod', async ({ page, login }) => {
  await login('security engineer');
  const form = new PolicyForm(page);
  await form.edit('fe');
  const rule = await form.editRule('ingress rule 0');
  await rule.selector('Endpoint selector').getByRole('checkbox', { name: 'Match all' }).uncheck();
  await rule.namespaces('Global');
  await form.takesIn('3 host endpoints, 3 network sets');
  await rule.save();
  await form.save('NetworkPolicy/blue/fe');
  await lab.settles([['node:node-2', 'blue/fe-1'], ['172.30.0.102', 'blue/fe-1']], [['blue/be-1', 'blue/fe-1'], ['172.30.0.101', 'blue/fe-1'], ['172.30.0.100', 'blue/fe-1']]);
});

test('unspecified: anything, the database outside the cluster included', async ({ page, login }) => {
  await login('security engineer');
  const form = new PolicyForm(page);
  await form.edit('fe');
  const rule = await form.editRule('ingress rule 0');
  await rule.namespaces('Namespaced');
  await form.takesIn('anything, in the cluster or outside');
  await rule.save();
  await form.save('NetworkPolicy/blue/fe');
  await lab.settles([['172.30.0.100', 'blue/fe-1'], ['purple/fe-2', 'blue/fe-1'], ['172.30.0.101', 'blue/fe-1']], [['172.30.0.100', 'blue/fe-1', 'udp/53']]);
  await deletePolicy(page, 'fe');
  await lab.settles([['172.30.0.100', 'blue/fe-1', 'udp/53']], []);
});

test('nets and service accounts: addresses, and who a pod runs as', async ({ page, login }) => {
  await login('security engineer');
  const form = new PolicyForm(page);
  await form.create('be', { tier: 'security', scope: 'blue' });
  await form.condition(form.appliesTo('Endpoints'), 'app/tier', '==', ['BE']);
  const nets = await form.addRule('ingress');
  await nets.tags('Nets: is', ['172.30.0.100/31', '10.244.3.0/24']);
  await nets.tags('Ports: is', ['80', '8000:8080']);
  await nets.save();
  const accounts = await form.addRule('ingress');
  await accounts.protocol('UDP');
  await form.condition(accounts.selector('Namespaces'), 'projectcalico.org/name', '==', ['purple']);
  await accounts.tags('Names', ['service-account-1']);
  await form.takesIn('2 pods');
  await accounts.save();
  await form.save('NetworkPolicy/blue/be');
  await lab.settles(
    [['172.30.0.100', 'blue/be-1'], ['172.30.0.101', 'blue/be-1', 'tcp/8080'], ['red/be-2', 'blue/be-1'], ['purple/fe-1', 'blue/be-1', 'udp/53']],
    [['172.30.0.102', 'blue/be-1'], ['red/be-1', 'blue/be-1'], ['172.30.0.100', 'blue/be-1', 'tcp/443'], ['purple/fe-2', 'blue/be-1', 'udp/53']],
  );
  await deletePolicy(page, 'be');
});

test('the developer may not write in tier security, and is told why', async ({ page, login }) => {
  await login('developer');
  const form = new PolicyForm(page);
  await form.create('mine', { scope: 'blue' });
  await page.getByRole('tab', { name: 'YAML' }).click();
  await page.getByLabel('Policy as YAML').click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText('apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: mine, namespace: blue}\nspec: {tier: security}\n');
  await expect(page.getByRole('note')).toHaveText(/^You may not save this\. The API server says: User "developer" cannot create networkpolicies.* in tier "security"/);
  await expect(page.getByRole('toolbar', { name: 'Policy actions' }).getByRole('button', { name: 'Save', exact: true })).toBeDisabled();
});

test('order: the lowest first, and moving a policy changes what is decided', async ({ page, login }) => {
  await login('administrator');
  const form = new PolicyForm(page);
  await form.create('a-late', { scope: 'blue', order: 1000 });
  const allow = await form.addRule('ingress');
  await allow.save();
  await form.save('NetworkPolicy/blue/a-late');
  await form.create('z-early', { order: 800 });
  await form.condition(form.appliesTo('Endpoints'), 'app/tier', '==', ['BE']);
  const deny = await form.addRule('ingress');
  await deny.action('Deny');
  await deny.tags('Nets: is', ['172.30.0.100/32']);
  await deny.save();
  await form.save('GlobalNetworkPolicy/-/z-early');
  await lab.settles([['172.30.0.101', 'blue/be-1'], ['172.30.0.100', 'blue/fe-1']], [['172.30.0.100', 'blue/be-1']]);
  await visit(page, '/policies');
  const cards = page.getByRole('region', { name: 'default', exact: true }).getByRole('article');
  await expect(cards.first()).toHaveAccessibleName(/z-early/);
  await page.getByRole('button', { name: 'Actions for a-late' }).click();
  await page.getByRole('menuitem', { name: 'Move…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Place').first().click();
  await page.getByRole('option', { name: /before .*z-early/ }).click();
  await dialog.getByRole('button', { name: 'Move', exact: true }).click();
  await expect(cards.first()).toHaveAccessibleName(/a-late/);
  await lab.settles([['172.30.0.100', 'blue/be-1']], []);
  await deletePolicy(page, 'a-late');
  await deletePolicy(page, 'z-early');
});

test('Kubernetes policies stand at order 1000, and policies without an order are last', async ({ page, login }) => {
  await login('developer');
  const form = new PolicyForm(page);
  await form.create('without-order', { scope: 'blue' });
  await form.save('NetworkPolicy/blue/without-order');
  await form.create('backends', { scope: 'blue' });
  await page.getByRole('checkbox', { name: 'Use Kubernetes network policy' }).check();
  const pods = page.getByRole('group', { name: 'Pods', exact: true });
  await pods.getByRole('button', { name: '+ Add label' }).click();
  await pods.getByLabel(/label key$/).fill('app/tier');
  await pods.getByLabel(/: value$/).fill('BE');
  await page.getByRole('button', { name: '+ Add ingress rule' }).click();
  await page.getByRole('button', { name: '+ Add pods' }).click();
  await form.save('KubernetesNetworkPolicy/blue/backends');
  await visit(page, '/policies');
  const cards = page.getByRole('region', { name: 'default', exact: true }).getByRole('article');
  await expect(cards).toHaveCount(2);
  await expect(cards.nth(0)).toHaveAccessibleName(/backends/);
  await expect(cards.nth(0)).toContainText('order 1000, fixed');
  await expect(cards.nth(1)).toHaveAccessibleName(/without-order/);
  await lab.settles([['blue/fe-1', 'blue/be-1']], [['red/fe-1', 'blue/be-1'], ['blue/be-1', 'blue/fe-1']]);
  await deletePolicy(page, 'backends');
  await deletePolicy(page, 'without-order');
  await lab.settles([['red/fe-1', 'blue/be-1'], ['blue/be-1', 'blue/fe-1']], []);
});

test('tiers: deny ends it, Pass goes on to the developers\' tier, the end of a tier denies', async ({ page, login, browser, server }) => {
  await login('security engineer');
  const form = new PolicyForm(page);
  await form.create('outside', { tier: 'security' });
  await form.condition(form.appliesTo('Endpoints'), 'app/tier', 'in', ['FE', 'BE']);
  const deny = await form.addRule('ingress');
  await deny.action('Deny');
  await deny.protocol('');
  await deny.tags('Nets: is', ['172.30.0.100/32']);
  await deny.save();
  const pass = await form.addRule('ingress');
  await pass.action('Pass');
  await pass.save();
  await form.save('GlobalNetworkPolicy/-/outside');
  // After Pass no later tier has a policy that applies: allowed.
  await lab.settles([['red/fe-1', 'blue/be-1', 'tcp/8080'], ['172.30.0.101', 'blue/be-1']], [['172.30.0.100', 'blue/be-1'], ['blue/fe-1', 'blue/be-1', 'udp/53']]);

  const theirs = await browser.newContext({ baseURL: server.url });
  const developer = await theirs.newPage();
  await developer.request.post('/api/v1/session', { data: { token: server.tokens.developer } });
  const app = new PolicyForm(developer);
  await app.create('app', { scope: 'blue' });
  await app.condition(app.appliesTo('Endpoints'), 'app/tier', '==', ['BE']);
  const allow = await app.addRule('ingress');
  await app.condition(allow.selector('Endpoint selector'), 'app/tier', '==', ['FE']);
  await allow.save();
  await app.save('NetworkPolicy/blue/app');
  await theirs.close();
  await lab.settles([['blue/fe-1', 'blue/be-1', 'tcp/8080'], ['red/fe-1', 'green/be-1']], [['red/fe-1', 'blue/be-1', 'tcp/8080'], ['172.30.0.100', 'blue/be-1']]);
});

test('actions: Log goes on to the next rule; open connections go on, new ones are refused', async ({ page, login, server }) => {
  await login('security engineer');
  const open = lab.open(['blue/fe-1', 'blue/be-1']);
  try {
    expect(await open.send()).toBe('answered');
    const form = new PolicyForm(page);
    await form.edit('outside');
    const log = await form.addRule('ingress');
    await log.action('Log');
    await log.save();
    for (const at of [2, 1]) await page.getByRole('button', { name: `Move ingress rule ${at} up` }).click();
    const pass = await form.editRule('ingress rule 2');
    await pass.action('Deny');
    await pass.save();
    await form.save('GlobalNetworkPolicy/-/outside');
    await lab.settles([], [['blue/fe-1', 'blue/be-1'], ['blue/fe-1', 'blue/be-1', 'tcp/8080']]);
    expect(await open.send()).toBe('answered');
    const logs = () => readFileSync(join(server.dir, 'agent-node-1.log'), 'utf8').split('\n').filter((line) => line.includes('GlobalNetworkPolicy//outside#0'));
    await expect.poll(() => logs().length, { message: 'lines in the log of the node of blue/be-1' }).toBeGreaterThan(0);
  } finally {
    open.close();
  }
  await deletePolicy(page, 'outside');
  await lab.settles([['blue/fe-1', 'blue/be-1', 'tcp/8080']], [['red/fe-1', 'blue/be-1', 'tcp/8080']]);
});

test('flows and staged policies: a denied connection shows with its reason; what a staged deny would cut shows before it is enforced, and then is cut', async ({ page, login, server }) => {
  await login('security engineer');
  await visit(page, '/flows?verdict=deny&endpoint=blue/be-1');
  await expect(page.getByText(/^Following/)).toBeVisible();
  await lab.settles([['blue/fe-1', 'blue/be-1', 'tcp/8080']], [['red/fe-1', 'blue/be-1', 'tcp/8080']]);
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'red/fe-1' }) }).first();
  await expect(row).toContainText('tcp/8080');
  // From the attempt to its row, with the reason in it: to a port that nothing was tried on yet, so that the row is a new one.
  const took: number[] = [];
  for (const port of [9101, 9102, 9103]) {
    const fresh = page.getByRole('row').filter({ hasText: `tcp/${port}` }).first();
    const began = Date.now();
    const attempt = lab.ask(['red/fe-1', 'blue/be-1', `tcp/${port}`], 'deny');
    await expect(fresh).toContainText(/ingress: end of tier default .*NetworkPolicy\/blue\/app/);
    took.push(Date.now() - began);
    expect(await attempt).toBe('deny');
  }
  console.log(`a denied attempt in the lab stood in the page after ${took.join(', ')} ms`);
  expect(Math.min(...took), 'the quickest of three: a busy machine is slow now and then').toBeLessThan(1000);
  await expect(row).toContainText(/ingress: end of tier default .*NetworkPolicy\/blue\/app/);
  await page.getByRole('button', { name: 'Pause' }).click();
  await row.getByRole('button', { name: /^Details/ }).click();
  await expect(page.getByText('Source: red/fe-1')).toBeVisible();
  await page.getByRole('link', { name: 'Make a rule from this flow' }).first().click();
  await expect(page.getByText(/Allow/).first()).toBeVisible();

  server.kubectl(['apply', '-f', '-'], JSON.stringify({
    apiVersion: 'projectcalico.org/v3', kind: 'StagedNetworkPolicy', metadata: { name: 'no-frontends', namespace: 'blue' },
    spec: { tier: 'security', selector: "app/tier == 'BE'", types: ['Ingress'], ingress: [{ action: 'Deny', source: { selector: "app/tier == 'FE'" } }, { action: 'Pass' }] },
  }));
  await lab.settles([['blue/fe-1', 'blue/be-1', 'tcp/8080']], []);
  await visit(page, '/staged');
  const cut = page.getByRole('region', { name: 'Newly denied' }).getByRole('row').filter({ hasText: 'tcp/8080' });
  await expect(async () => {
    await page.reload();
    await expect(cut).toContainText('StagedNetworkPolicy/blue/no-frontends', { timeout: 3000 });
  }).toPass({ timeout: 20_000 });
  await page.getByRole('button', { name: 'Enforce blue/no-frontends' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Enforce' }).click();
  await expect(page.getByText('Nothing is staged')).toBeVisible();
  await lab.settles([], [['blue/fe-1', 'blue/be-1', 'tcp/8080']]);
  server.kubectl(['delete', 'networkpolicies.projectcalico.org', '-n', 'blue', 'no-frontends']);
});
