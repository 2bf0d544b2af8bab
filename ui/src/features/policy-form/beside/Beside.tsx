/** What the server says of the draft, beside the form: in words, in numbers, and in the picture. */
import './beside.css';
import { Alert, List, NativeSelect, Paper, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { errorWord, type ApiError, type Cluster, type Draft, type DraftRule, type FieldProblem, type Matches } from '../api';
import { peerSide } from '../document/policy';
import type { OpenRule } from '../form/Rules';
import { boxes, countWords, type Box, type Marked } from './marks';
import { readable } from '../form/readable';

interface BesideProps {
  draft: Draft | undefined;
  /** The draft is of an older text. */
  stale: boolean;
  error: ApiError | undefined;
  cluster: Cluster | undefined;
  open: OpenRule | undefined;
}

export function Beside({ draft, stale, error, cluster, open }: BesideProps) {
  return (
    <Stack gap="md" component="aside" aria-label="What it means" className="beside" tabIndex={0}>
      {error && <Away error={error} draft={draft} />}
      {draft?.view.live === false && <Alert color="yellow" variant="outline" styles={readable}>The Kubernetes API is away{draft.view.reason ? ` (${draft.view.reason})` : ''}. This is what was known at {new Date(draft.view.asOf).toLocaleTimeString()}.</Alert>}
      <InWords draft={draft} stale={stale} />
      <Problems draft={draft} />
      {draft && <Picture draft={draft} cluster={cluster} open={open} />}
    </Stack>
  );
}

function Away({ error, draft }: { error: ApiError; draft: Draft | undefined }) {
  const old = draft ? ' What is shown here is of an earlier text.' : '';
  return (
    <Alert color="red" variant="outline" styles={readable} title={errorWord(error) === 'away' ? 'The server is away' : 'No answer'} role="alert">
      {/[.!?]$/.test(error.message) ? error.message : `${error.message}.`}{old} Your text is kept in this browser; you can go on editing.
    </Alert>
  );
}

function InWords({ draft, stale }: { draft: Draft | undefined; stale: boolean }) {
  return (
    <Paper withBorder p="sm">
      <Title order={2} size="h5">In words</Title>
      <Text size="sm" aria-live="polite" data-testid="sentence" c={stale ? 'dimmed' : undefined} style={{ overflowWrap: 'anywhere' }}>
        {draft?.sentence ?? (draft ? 'It cannot be read as a policy yet.' : 'Asking the server…')}
      </Text>
      {draft?.appliesTo && <Text size="sm" mt={4} data-testid="applies-to">Applies to {countWords(draft.appliesTo)}.</Text>}
      {draft?.place !== undefined && <Text size="sm">It would stand {draft.place}.</Text>}
    </Paper>
  );
}

function Problems({ draft }: { draft: Draft | undefined }) {
  const refusing = draft?.problems ?? [];
  const warnings = draft?.warnings ?? [];
  return (
    <>
      {refusing.length > 0 && (
        <Alert color="red" variant="outline" styles={readable} title={refusing.some((problem) => problem.refuses) ? 'The API would refuse it' : 'Something is wrong'}>
          <List size="sm">{refusing.map((problem, i) => <List.Item key={i}>{problemText(problem)}</List.Item>)}</List>
        </Alert>
      )}
      {(draft?.invalid?.length ?? 0) > 0 && <Alert color="red" variant="outline" styles={readable}>As it stands, {draft?.invalid?.join(' and ')} cannot be read and would deny everything.</Alert>}
      {warnings.length > 0 && (
        <Alert color="yellow" variant="outline" styles={readable} title="Is this meant?">
          <List size="sm">{warnings.map((warning, i) => <List.Item key={i}>{warning.message}{warning.hint ? ` ${warning.hint}` : ''}</List.Item>)}</List>
        </Alert>
      )}
    </>
  );
}

export function problemText(problem: FieldProblem): string {
  return [problem.path && `${problem.path}: `, problem.message, problem.hint && ` (${problem.hint})`, problem.line && `, line ${problem.line}`].filter(Boolean).join('');
}

function Picture({ draft, cluster, open }: { draft: Draft; cluster: Cluster | undefined; open: OpenRule | undefined }) {
  const [chosen, setChosen] = useState('scope');
  const shown = open ? `${open.direction}/${open.index}` : chosen;
  const rule = draft.rules?.find((known) => `${known.direction}/${known.rule}` === shown);
  const matches = rule ? peer(rule) : draft.appliesTo;
  const choices = [{ value: 'scope', label: 'What the policy applies to' }, ...(draft.rules ?? []).map((known) => ({ value: `${known.direction}/${known.rule}`, label: `What ${known.direction} rule ${known.rule} matches` }))];
  return (
    <Paper withBorder p="sm" component="section" aria-label="Cluster picture">
      <Stack gap="xs">
        <NativeSelect label="Check marks show" data={choices} value={rule ? shown : 'scope'} disabled={open !== undefined} onChange={(event) => setChosen(event.currentTarget.value)} />
        {rule && <Text size="sm" style={{ overflowWrap: 'anywhere' }}>{rule.sentence}</Text>}
        {matches && <Text size="sm" fw={600} data-testid="matched">✓ {countWords(matches)}</Text>}
        {matches?.nets !== undefined && matches.nets.length > 0 && <Text size="sm">Any address in {matches.nets.join(', ')}, known or not.</Text>}
        {cluster?.cut && <Text size="sm">{cluster.cut}</Text>}
        <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="xs">
          {cluster && boxes(cluster, matches).map((box) => <BoxOf key={box.title} box={box} />)}
          {cluster && <BoxOf box={{ title: 'Outside the cluster', items: [{ key: 'out', label: 'any other machine', kind: 'set', count: 1, taken: matches ? (matches.anything ? 1 : 0) : undefined }] }} />}
        </SimpleGrid>
        {!cluster && <Text size="sm">The cluster is being read…</Text>}
      </Stack>
    </Paper>
  );
}

function peer(rule: DraftRule): Matches {
  return rule[peerSide(rule.direction)];
}

function BoxOf({ box }: { box: Box }) {
  return (
    <Paper withBorder p="xs" radius="md" role="group" aria-label={box.title}>
      <Text size="sm" fw={600} style={{ overflowWrap: 'anywhere' }}>{box.title}</Text>
      <List listStyleType="none" size="sm" spacing={2}>
        {box.items.map((item) => <Item key={item.key} item={item} />)}
      </List>
    </Paper>
  );
}

const shapes = { pods: 'pods', host: 'host', set: 'set' } as const;

/** A check mark and words: the colour only repeats them. */
function Item({ item }: { item: Marked }) {
  const all = item.taken === item.count;
  const some = item.taken !== undefined && item.taken > 0;
  const sign = item.taken === undefined ? '?' : all ? '✓' : some ? '◐' : '·';
  const said = item.taken === undefined ? 'not told' : all ? 'taken in' : some ? `${item.taken} of ${item.count} taken in` : 'not taken in';
  return (
    <List.Item data-taken={item.taken ?? 'unknown'} data-kind={shapes[item.kind]}>
      <Text span size="sm" fw={some ? 600 : 400} style={{ overflowWrap: 'anywhere' }}>
        <span aria-hidden style={{ display: 'inline-block', width: '1.4em', color: some ? 'var(--mantine-primary-color-light-color)' : undefined }}>{sign}</span>
        {item.label}{item.kind === 'pods' ? ` ×${item.count}` : ''}
        {some && !all ? ` (${item.taken} of ${item.count})` : ''}
        <span style={{ position: 'absolute', width: 1, height: 1, overflow: 'hidden', clipPath: 'inset(50%)', whiteSpace: 'nowrap' }}> {said}</span>
      </Text>
    </List.Item>
  );
}
