import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen, within } from '@testing-library/react';
import { expect, test } from 'vitest';
import type { Schemas } from '../../api/client';
import { policyQuery, previewQuery, storedQuery } from '../../api/queries';
import { SideBySide, specOf } from './side-by-side';

type Rule = [direction: 'ingress' | 'egress', rule: number, sentence: string];
const view = { asOf: '2026-11-25T12:00:00Z', live: true, hidden: [] };

function client(policies: Record<string, { order: number; rules: Rule[]; yaml: string }>): QueryClient {
  const all = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity, retry: false } } });
  for (const [id, { order, rules, yaml }] of Object.entries(policies)) {
    const draft = { sentence: 'Applies to pods with app == "a.b". Ingress: 2 rules; the end.', tier: 'default', order, types: ['Ingress'], problems: [], warnings: [], view, rules: rules.map(([direction, rule, sentence]) => ({ direction, rule, sentence, action: 'Allow' })) };
    all.setQueryData(policyQuery(id).queryKey, draft as unknown as Schemas['Draft']);
    all.setQueryData(storedQuery(id).queryKey, { kind: '', name: '', resourceVersion: '1', yaml });
    all.setQueryData(previewQuery(yaml).queryKey, { problems: [], groups: [], changes: [], allowed: 0, denied: 0, total: 0, view });
  }
  return all;
}

function show(queries: QueryClient, props: Parameters<typeof SideBySide>[0]): string[] {
  render(<MantineProvider env="test"><QueryClientProvider client={queries}><SideBySide {...props} /></QueryClientProvider></MantineProvider>);
  return within(screen.getByRole('region', { name: 'What differs' })).getAllByRole('row').slice(1).map((row) => within(row).getAllByRole('cell').map((cell) => cell.textContent).join(' | '));
}

const enforced = { order: 10, rules: [['ingress', 0, 'Allow A.'], ['ingress', 1, 'Deny B.']] as Rule[], yaml: 'kind: NetworkPolicy\nspec:\n  order: 10\n' };
const staged = { order: 20, rules: [['ingress', 0, 'Log C.'], ['ingress', 1, 'Allow A.'], ['egress', 0, 'Allow D.']] as Rule[], yaml: 'kind: StagedNetworkPolicy\nspec:\n  order: 20\n  stagedAction: Set\n' };

test('what differs stands side by side, with the number that each rule has in its own policy', () => {
  expect(show(client({ 'NetworkPolicy/b/p': enforced, 'StagedNetworkPolicy/b/p': staged }), { staged: 'StagedNetworkPolicy/b/p', replaces: 'NetworkPolicy/b/p', deletes: false })).toEqual([
    'Applies to | Applies to pods with app == "a.b". | Applies to pods with app == "a.b". | same',
    'Tier, order | default, 10 | default, 20 | ≠ changed',
    'Type | Ingress | Ingress | same',
    'ingress rule | – | 0: Log C. | + added',
    'ingress rule | 0: Allow A. | 1: Allow A. | same',
    'ingress rule | 1: Deny B. | – | − taken away',
    'egress rule | – | 0: Allow D. | + added',
  ]);
  expect(screen.getByText('4 of 7 parts differ.')).toBeTruthy();
  expect(screen.getByRole('region', { name: 'Difference of the texts', hidden: true }).textContent).toBe('  spec:\n-   order: 10\n+   order: 20');
  expect(screen.getByText('No connection changes')).toBeTruthy();
});

test('a staged deletion takes all of it away', () => {
  const rows = show(client({ 'NetworkPolicy/b/p': enforced, 'StagedNetworkPolicy/b/p': staged }), { staged: 'StagedNetworkPolicy/b/p', replaces: 'NetworkPolicy/b/p', deletes: true });
  expect(rows.every((row) => row.endsWith('− taken away'))).toBe(true);
});

test('what replaces nothing is all new', () => {
  const rows = show(client({ 'StagedNetworkPolicy/b/p': staged }), { staged: 'StagedNetworkPolicy/b/p', deletes: false });
  expect(rows.every((row) => row.endsWith('+ added'))).toBe(true);
});

test('the text from spec on, without what is only in staged ones', () => {
  expect(specOf(staged.yaml)).toEqual(['spec:', '  order: 20']);
});
