import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, expect, it, vi } from 'vitest';
import { ApiError, type Draft, type PolicyApi, type Problem, type StoredObject } from '../api';
import { readText } from '../document/edit';
import { newPolicy } from '../document/policy';
import { keep, keptNew } from './keep';
import { PolicyEditor, type PolicyEditorProps } from './PolicyEditor';

const view = { asOf: '2026-11-25T12:00:00Z', live: true, hidden: [] };
const draft = (more: Partial<Draft> = {}): Draft => ({ problems: [], warnings: [], allowed: true, view, sentence: 'In words.', ...more });

function fakeApi(more: Partial<PolicyApi> = {}): PolicyApi {
  const stored = (yaml: string): StoredObject => ({ kind: 'NetworkPolicy', namespace: 'blue', name: 'fe', resourceVersion: '2', yaml });
  return {
    draft: () => Promise.resolve(draft()),
    preview: () => Promise.reject(new ApiError(0, 'away')),
    previewFlows: () => Promise.reject(new ApiError(0, 'away')),
    counts: () => Promise.resolve([]),
    cluster: () => new Promise(() => {}),
    tiers: () => Promise.resolve([]),
    namespaces: () => Promise.resolve([]),
    labels: () => Promise.resolve([{ key: 'app/tier', count: 2, distinct: 2, values: [{ value: 'FE', count: 1 }] }]),
    object: () => Promise.reject(new ApiError(404, 'none')),
    create: vi.fn((yaml: string) => Promise.resolve(stored(yaml))),
    update: vi.fn((yaml: string) => Promise.resolve(stored(yaml))),
    ...more,
  };
}

function show(api: PolicyApi, more: Partial<PolicyEditorProps> = {}) {
  const onSaved = vi.fn();
  const onDirty = vi.fn();
  const props: PolicyEditorProps = { api, user: 'ann', initial: newPolicy('blue', 'default'), tab: 'form', dark: false, onTab: vi.fn(), onSaved, onClose: vi.fn(), onDirty, ...more };
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={new QueryClient()}>
        <PolicyEditor {...props} />
      </QueryClientProvider>
    </MantineProvider>,
  );
  return { user: userEvent.setup(), onSaved, onDirty };
}

function problem(word: string, status: number, more: Partial<Problem> = {}): ApiError {
  return new ApiError(status, `it is ${word}`, { type: `urn:tierwall:${word}`, title: word, status, detail: `it is ${word}`, ...more });
}

const two = `${newPolicy('blue', 'default').replace('""', 'fe')}  ingress:
    # the first
    - action: Allow
      protocol: TCP
    - action: Deny
`;

beforeEach(() => localStorage.clear());

it('makes the tutorial\'s policy by its words', async () => {
  const api = fakeApi();
  const { user, onSaved } = show(api);
  await user.type(screen.getByLabelText(/^Name/), 'fe');
  const applies = screen.getByRole('group', { name: 'Endpoints' });
  await user.click(within(applies).getByRole('button', { name: /Add label selector/ }));
  await user.type(within(applies).getByLabelText(/label key/, { selector: 'input' }), 'app/tier');
  await user.type(within(applies).getByLabelText(/condition 1: value/, { selector: 'input' }), 'FE');
  await user.click(screen.getByRole('button', { name: '+ Add ingress rule' }));
  const panel = screen.getByRole('group', { name: 'Create new policy rule' });
  await user.selectOptions(within(panel).getByLabelText('Action'), 'Deny');
  await user.click(within(panel).getByLabelText('Global'));
  await user.type(within(panel).getByLabelText('Ports: is', { selector: 'input:not([type=hidden])' }), '80{Enter}');
  await user.click(within(panel).getByRole('button', { name: 'Save rule' }));
  await user.click(screen.getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(onSaved).toHaveBeenCalledWith('NetworkPolicy/blue/fe'));
  expect(readText(vi.mocked(api.create).mock.calls[0]?.[0] ?? '').value).toEqual({
    apiVersion: 'projectcalico.org/v3',
    kind: 'NetworkPolicy',
    metadata: { name: 'fe', namespace: 'blue' },
    spec: {
      tier: 'default',
      types: ['Ingress'],
      selector: "app/tier == 'FE'",
      ingress: [{ action: 'Deny', protocol: 'TCP', source: { namespaceSelector: 'global()' }, destination: { ports: [80] } }],
    },
  });
}, 150_000);

it('reorders, duplicates and deletes rules by keyboard alone, and undoes it', async () => {
  const api = fakeApi();
  const { user } = show(api, { initial: two });
  const press = async (name: string) => {
    screen.getByRole('button', { name }).focus();
    await user.keyboard('{Enter}');
  };
  await press('Move ingress rule 1 up');
  expect(screen.getByRole('group', { name: 'ingress rule 0' }).textContent).toContain('0 · Deny');
  await press('Duplicate ingress rule 1');
  await press('Delete ingress rule 0');
  await press('Save');
  await waitFor(() => expect(api.create).toHaveBeenCalled());
  const text = vi.mocked(api.create).mock.calls[0]?.[0] ?? '';
  expect(readText(text).value).toHaveProperty('spec.ingress', [{ action: 'Allow', protocol: 'TCP' }, { action: 'Allow', protocol: 'TCP' }]);
  expect(text).toContain('# the first');
  await press('Undo');
  await press('Undo');
  await press('Undo');
  expect(screen.getByRole('group', { name: 'ingress rule 0' }).textContent).toContain('0 · Allow');
}, 150_000);

it('puts the text back when a rule is cancelled', async () => {
  const { user, onDirty } = show(fakeApi(), { initial: two });
  await user.click(screen.getByRole('button', { name: 'Edit ingress rule 1' }));
  await user.selectOptions(screen.getByLabelText('Action'), 'Pass');
  await user.click(screen.getByRole('button', { name: 'Cancel' }));
  expect(screen.getByRole('group', { name: 'ingress rule 1' }).textContent).toContain('1 · Deny');
  expect(onDirty).toHaveBeenLastCalledWith(false);
}, 30_000);

it('shows what the server says at the rule that it is about', async () => {
  const said = draft({
    problems: [{ code: 'x', object: '', path: 'spec.ingress[1].source.nets', message: 'invalid CIDR', refuses: true }],
    rules: [0, 1].map((rule) => ({ direction: 'ingress' as const, rule, action: 'Allow' as const, sentence: `<b>Rule</b> ${rule}`, source: { anything: true, count: 0, refs: [] }, destination: { anything: true, count: 0, refs: [] } })),
  });
  show(fakeApi({ draft: () => Promise.resolve(said) }), { initial: two });
  const second = screen.getByRole('group', { name: 'ingress rule 1' });
  await waitFor(() => expect(second.textContent).toContain('invalid CIDR'));
  expect(screen.getByRole('group', { name: 'ingress rule 0' }).textContent).not.toContain('invalid CIDR');
  expect(second.textContent).toContain('<b>Rule</b> 1');
  expect(second.querySelector('b')).toBeNull();
});

it('greys Save with the right that is missing', async () => {
  show(fakeApi({ draft: () => Promise.resolve(draft({ allowed: false, missing: 'get on tiers "security"' })) }), { initial: two });
  await waitFor(() => expect(screen.getByRole('button', { name: 'Save' })).toHaveProperty('disabled', true));
  expect(screen.getByRole('note').textContent).toContain('it needs get on tiers "security"');
});

it('shows both texts of a conflict and loses neither', async () => {
  const stored: StoredObject = { kind: 'NetworkPolicy', namespace: 'blue', name: 'fe', resourceVersion: '1', yaml: two };
  const theirs = { ...stored, resourceVersion: '9', yaml: two.replace('TCP', 'UDP') };
  const update = vi.fn<PolicyApi['update']>().mockRejectedValueOnce(problem('conflict', 409, { current: theirs })).mockResolvedValue(theirs);
  const { user } = show(fakeApi({ update }), { initial: two, stored });
  await user.click(screen.getByRole('button', { name: 'Delete ingress rule 1' }));
  await user.click(screen.getByRole('button', { name: 'Save' }));
  const dialog = await screen.findByRole('dialog');
  expect(within(dialog).getByLabelText('What is stored now').textContent).toMatch(/▸ +protocol: UDP/);
  await user.click(within(dialog).getByRole('button', { name: 'Save mine over it' }));
  await waitFor(() => expect(update).toHaveBeenCalledTimes(2));
  expect(update.mock.calls[0]?.[1]).toBe('1');
  expect(update.mock.calls[1]?.[1]).toBe('9');
  expect(update.mock.calls[1]?.[0]).toBe(update.mock.calls[0]?.[0]);
}, 30_000);

it('is no conflict when only the version is newer', async () => {
  const stored: StoredObject = { kind: 'NetworkPolicy', namespace: 'blue', name: 'fe', resourceVersion: '1', yaml: two };
  const update = vi.fn<PolicyApi['update']>().mockRejectedValueOnce(problem('conflict', 409, { current: { ...stored, resourceVersion: '2' } })).mockResolvedValue({ ...stored, resourceVersion: '3' });
  const { user, onSaved } = show(fakeApi({ update }), { initial: two, stored });
  await user.click(screen.getByRole('button', { name: 'Delete ingress rule 1' }));
  await user.click(screen.getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(onSaved).toHaveBeenCalled());
  expect(update.mock.calls.map(([, version]) => version)).toEqual(['1', '2']);
  expect(screen.queryByRole('dialog')).toBeNull();
}, 30_000);

it('drops an answer to an older text', async () => {
  const answers: ((draft: Draft) => void)[] = [];
  const { user } = show(fakeApi({ draft: () => new Promise((resolve) => answers.push(resolve)) }), { initial: two });
  await waitFor(() => expect(answers).toHaveLength(1));
  await user.click(screen.getByRole('button', { name: 'Delete ingress rule 1' }));
  await waitFor(() => expect(answers).toHaveLength(2));
  answers[1]?.(draft({ sentence: 'the new one' }));
  await screen.findByText('the new one');
  answers[0]?.(draft({ sentence: 'the old one' }));
  await new Promise((resolve) => setTimeout(resolve, 0));
  expect(screen.getByTestId('sentence').textContent).toContain('the new one');
});

it('keeps a draft in the browser and offers it back', async () => {
  const { user } = show(fakeApi(), { initial: two });
  await user.click(screen.getByRole('button', { name: 'Delete ingress rule 1' }));
  await waitFor(() => expect(keptNew('ann')[0]?.draft.text).not.toContain('Deny'));
  document.body.replaceChildren();
  const second = show(fakeApi());
  await second.user.click(screen.getByRole('button', { name: 'Restore the draft' }));
  screen.getByRole('group', { name: 'ingress rule 0' });
}, 30_000);

it('says when the server is away, and goes on', async () => {
  const { user } = show(fakeApi({ draft: () => Promise.reject(new ApiError(0, 'The server does not answer.')) }), { initial: two });
  await screen.findByText('The server is away');
  await user.click(screen.getByRole('button', { name: 'Delete ingress rule 1' }));
  expect(screen.queryByRole('group', { name: 'ingress rule 1' })).toBeNull();
});

it('offers the draft of a policy to that policy only', () => {
  const stored: StoredObject = { kind: 'NetworkPolicy', namespace: 'blue', name: 'fe', resourceVersion: '1', yaml: two };
  keep('ann', 'NetworkPolicy/blue/be', { text: two.replace('fe', 'be'), at: 1 });
  keep('ann', 'new 1', { text: newPolicy('red', 'default'), at: 1 });
  show(fakeApi(), { initial: two, stored });
  expect(screen.queryByText('An unsaved draft is kept')).toBeNull();
});

it('does what is clicked right after typing, and keeps what was typed', async () => {
  const { user } = show(fakeApi());
  await user.type(screen.getByLabelText('Endpoints as text'), "app/tier == 'FE'", { delay: null } as never);
  await user.click(screen.getByRole('button', { name: '+ Add ingress rule' }));
  screen.getByRole('group', { name: 'Create new policy rule' });
  expect(screen.getByLabelText('Endpoints as text')).toHaveProperty('value', "app/tier == 'FE'");
  await user.click(screen.getByRole('button', { name: 'Cancel' }));
  expect(screen.getByLabelText('Endpoints as text')).toHaveProperty('value', "app/tier == 'FE'");
}, 30_000);

it('writes what is no number as it is, and says so', async () => {
  const api = fakeApi();
  const { user } = show(api, { initial: two });
  const order = screen.getByLabelText(/^Order/);
  await user.type(order, '1x');
  await user.click(screen.getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(api.create).toHaveBeenCalledOnce());
  expect(vi.mocked(api.create).mock.calls[0]?.[0]).toContain('order: 1x\n');
  screen.getByText('"1x" is not a number');
  await user.clear(order);
  await user.type(order, '12.5');
  await user.click(screen.getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(api.update).toHaveBeenCalledOnce());
  expect(vi.mocked(api.update).mock.calls[0]?.[0]).toContain('order: 12.5\n');
}, 30_000);

it('leaves everything as it is when Save as fails, and says why in the dialog', async () => {
  const create = vi.fn<PolicyApi['create']>().mockRejectedValue(problem('exists', 409));
  const { user, onSaved } = show(fakeApi({ create }), { initial: two });
  await user.click(screen.getByRole('button', { name: 'Delete ingress rule 1' }));
  await user.click(screen.getByRole('button', { name: 'Save as' }));
  const dialog = await screen.findByRole('dialog');
  await user.clear(within(dialog).getByLabelText(/^Name/));
  await user.type(within(dialog).getByLabelText(/^Name/), 'other');
  await user.click(within(dialog).getByRole('button', { name: 'Save copy' }));
  expect((await within(dialog).findByRole('alert')).textContent).toContain('it is exists');
  expect(onSaved).not.toHaveBeenCalled();
  await user.click(within(dialog).getByRole('button', { name: 'Cancel' }));
  screen.getByText(/not saved/);
  expect(screen.getByLabelText(/^Name/)).toHaveProperty('value', 'fe');
}, 30_000);

it('has fields for the version of IP, what is not ICMP, and HTTP', async () => {
  const api = fakeApi();
  const { user } = show(api, { initial: two });
  await user.click(screen.getByRole('button', { name: 'Edit ingress rule 0' }));
  await user.selectOptions(screen.getByLabelText('IP version'), '4');
  await user.click(screen.getByRole('button', { name: 'HTTP' }));
  // jsdom does not see the part open.
  await user.click(screen.getByRole('button', { name: '+ Add path', hidden: true }));
  await user.type(screen.getByLabelText('HTTP path 1'), 'api');
  await user.click(screen.getByRole('button', { name: '+ Add header', hidden: true }));
  await user.click(screen.getByRole('button', { name: 'Save rule' }));
  await user.click(screen.getByRole('button', { name: 'Edit ingress rule 1' }));
  await user.selectOptions(screen.getByRole('combobox', { name: 'Protocol' }), 'ICMP');
  await user.type(screen.getByLabelText('ICMP: is not type'), '8');
  await user.click(screen.getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(api.create).toHaveBeenCalledOnce());
  expect(readText(vi.mocked(api.create).mock.calls[0]?.[0] ?? '').value).toHaveProperty('spec.ingress', [
    { action: 'Allow', protocol: 'TCP', ipVersion: 4, http: { paths: [{ prefix: '/api' }], headers: [{ header: 'x-name', operator: 'Exists' }] } },
    { action: 'Deny', protocol: 'ICMP', notICMP: { type: 8 } },
  ]);
}, 60_000);

const cluster = `apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: c}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {}}
`;

it('edits the subject, the peers and the protocols of a ClusterNetworkPolicy', async () => {
  const api = fakeApi();
  const { user } = show(api, { initial: cluster });
  await user.selectOptions(screen.getByLabelText('Subject'), 'pods');
  await user.click(within(screen.getByRole('group', { name: 'Pods' })).getByRole('button', { name: '+ Add label' }));
  await user.type(screen.getByLabelText('Pods condition 1: value'), 'FE');
  await user.click(screen.getByRole('button', { name: '+ Add egress rule' }));
  await user.click(screen.getByRole('button', { name: '+ Add networks' }));
  await user.click(screen.getByRole('button', { name: 'Delete peer 1' }));
  await user.click(screen.getByRole('button', { name: '+ Add protocol' }));
  await user.selectOptions(screen.getByLabelText('Ports'), 'range');
  await user.clear(screen.getByLabelText('To port'));
  await user.type(screen.getByLabelText('To port'), '90');
  await user.click(screen.getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(api.create).toHaveBeenCalledOnce());
  expect(readText(vi.mocked(api.create).mock.calls[0]?.[0] ?? '').value).toHaveProperty('spec', {
    tier: 'Admin',
    priority: 10,
    subject: { pods: { namespaceSelector: {}, podSelector: { matchLabels: { 'app/tier': 'FE' } } } },
    egress: [{ action: 'Accept', to: [{ networks: ['10.0.0.0/24'] }], protocols: [{ tcp: { destinationPort: { range: { start: 80, end: 90 } } } }] }],
  });
}, 60_000);

const change = { source: 'blue {app=fe}', destination: 'blue {app=be}', protocol: 'TCP', port: 80, connections: 12, last: '2026-11-25T12:00:00Z', flows: [], before: { verdict: 'allow', reason: 'no policy applies', path: [] }, after: { verdict: 'deny', reason: 'tier default', tier: 'default', path: [] } };

it('previews what is possible and what was seen', async () => {
  const preview = { problems: [], groups: [{ id: 'g0', title: 'blue/fe-1 and 2 more' }, { id: 'g1', title: 'blue/be-1' }], changes: [{ from: 'g0', to: 'g1', verdict: 'deny', ports: [{ ports: 'tcp/80' }] }], allowed: 0, denied: 1, total: 1, view };
  const seen = { denied: [change], allowed: [], unchanged: 7, unknown: 2, oldest: '2026-11-25T11:00:00Z', view };
  const { user } = show(fakeApi({ preview: () => Promise.resolve(preview as never), previewFlows: () => Promise.resolve(seen as never) }), { initial: two });
  await user.click(screen.getByRole('button', { name: 'Preview' }));
  const dialog = await screen.findByRole('dialog');
  await within(dialog).findByText('blue/fe-1 and 2 more');
  const flows = within(dialog).getByRole('region', { name: 'Newly denied' });
  expect(flows.textContent).toContain('blue {app=fe}blue {app=be}tcp/8012');
  expect(dialog.textContent).toContain('7 connections would be decided as they are now; of 2 it is not known');
});

it('says why recorded flows are not shown', async () => {
  const preview = { problems: [], groups: [], changes: [], allowed: 0, denied: 0, total: 0, view };
  const { user } = show(fakeApi({ preview: () => Promise.resolve(preview as never), previewFlows: () => Promise.resolve({ unavailable: { available: false, reason: 'this server keeps no flows' }, denied: [], allowed: [], unchanged: 0, unknown: 0, view }) }), { initial: two });
  await user.click(screen.getByRole('button', { name: 'Preview' }));
  await within(await screen.findByRole('dialog')).findByText('Not shown: this server keeps no flows.');
});

it('shows what a stored rule did, where it is moved to and not once it is edited', async () => {
  const count = { policy: 'NetworkPolicy/blue/fe', direction: 'ingress', rule: 1, reason: 'rule', allowed: 0, denied: 1234, passed: 0, logged: 0, packets: 0, bytes: 0, last: '2026-11-25T12:00:00Z' } as const;
  const { user } = show(fakeApi({ counts: () => Promise.resolve([count]) }), { initial: two, stored: { kind: 'NetworkPolicy', namespace: 'blue', name: 'fe', resourceVersion: '1', yaml: two } });
  await waitFor(() => expect(screen.getByRole('group', { name: 'ingress rule 1' }).textContent).toContain('Last hour: 1,234 denied, last at'));
  await user.click(screen.getByRole('button', { name: 'Move ingress rule 1 up' }));
  expect(screen.getByRole('group', { name: 'ingress rule 0' }).textContent).toContain('1,234 denied');
  expect(screen.getByRole('group', { name: 'ingress rule 1' }).textContent).not.toContain('denied');
  await user.click(screen.getByRole('button', { name: 'Edit ingress rule 0' }));
  await user.selectOptions(screen.getByLabelText('Action'), 'Allow');
  await user.click(screen.getByRole('button', { name: 'Save rule' }));
  expect(screen.getByRole('group', { name: 'ingress rule 0' }).textContent).not.toContain('1,234');
});
