/** What the server says of the draft, beside the form: in words, in numbers, and in the picture. */
import './beside.css';
import { Alert, Button, Group, List, NativeSelect, Paper, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { memo, useMemo, useState } from 'react';
import { errorWord, type ApiError, type Cluster, type Draft, type DraftRule, type FieldProblem, type Matches } from '../api';
import { peerSide } from '../document/policy';
import type { OpenRule } from '../form/Rules';
import { arrange, countWords, marker, sizeOf, takenOf, type Box, type Item, type Taken } from './marks';
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
        {cluster && <Boxes cluster={cluster} matches={matches} />}
        {!cluster && <Text size="sm">The cluster is being read…</Text>}
      </Stack>
    </Paper>
  );
}

function peer(rule: DraftRule): Matches {
  return rule[peerSide(rule.direction)];
}

/** With more items than this the boxes are closed until one opens them, and with more boxes not all are shown. */
const manyItems = 150;
const manyBoxes = 40;

const outside: Box = { title: 'Outside the cluster', items: [{ key: 'out', label: 'any other machine', kind: 'set', count: 1, refs: [] }] };

function Boxes({ cluster, matches }: { cluster: Cluster; matches: Matches | undefined }) {
  const all = useMemo(() => arrange(cluster), [cluster]);
  const take = useMemo(() => marker(matches), [matches]);
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const [every, setEvery] = useState(false);
  const large = useMemo(() => all.reduce((sum, box) => sum + box.items.length, 0) > manyItems, [all]);
  const taken = useMemo(() => new Map(all.map((box) => [box, takenOf(box, take, matches)])), [all, take, matches]);
  // What something is taken in of comes first, where not all are shown.
  const shown = every || all.length <= manyBoxes ? all : [...all].sort((a, b) => Number(taken.get(b) !== 0) - Number(taken.get(a) !== 0)).slice(0, manyBoxes);
  const toggle = (title: string) => setOpened((old) => {
    const next = new Set(old);
    if (!next.delete(title)) next.add(title);
    return next;
  });
  return (
    <>
      {shown.length < all.length && <Text size="sm">Showing {shown.length} of {all.length} boxes, those with something taken in first. <Button variant="subtle" size="compact-xs" onClick={() => setEvery(true)}>Show all</Button></Text>}
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="xs">
        {shown.map((box) => (!large || box.items.length === 1 || opened.has(box.title)
          ? <BoxOf key={box.title} box={box} take={take} {...(large && box.items.length > 1 ? { onClose: () => toggle(box.title) } : {})} />
          : <ClosedBox key={box.title} title={box.title} size={sizeOf(box)} taken={taken.get(box)} onOpen={toggle} />))}
        <BoxOf box={outside} take={() => (matches ? (matches.anything ? 1 : 0) : undefined)} />
      </SimpleGrid>
    </>
  );
}

/** A box of which only the sum is shown: it is drawn again only where that changes. */
const ClosedBox = memo(function ClosedBox({ title, size, taken, onOpen }: { title: string; size: number; taken: Taken; onOpen: (title: string) => void }) {
  return (
    <Paper withBorder p="xs" radius="md" role="group" aria-label={title}>
      <Text size="sm" fw={600} style={{ overflowWrap: 'anywhere' }}>{title}</Text>
      <Text size="sm" fw={taken ? 600 : 400} data-taken={taken ?? 'unknown'}><Sign taken={taken} count={size} />{taken === undefined ? `${size.toLocaleString('en')}, not told how many` : `${taken.toLocaleString('en')} of ${size.toLocaleString('en')}`} <Button variant="subtle" size="compact-xs" aria-label={`Show what is in ${title}`} onClick={() => onOpen(title)}>Show</Button></Text>
    </Paper>
  );
}, (a, b) => a.title === b.title && a.size === b.size && a.taken === b.taken);

function BoxOf({ box, take, onClose }: { box: Box; take: (item: Item) => Taken; onClose?: () => void }) {
  return (
    <Paper withBorder p="xs" radius="md" role="group" aria-label={box.title}>
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm" fw={600} style={{ overflowWrap: 'anywhere' }}>{box.title}</Text>
        {onClose && <Button variant="subtle" size="compact-xs" aria-label={`Hide what is in ${box.title}`} onClick={onClose}>Hide</Button>}
      </Group>
      <ul className="marked">{box.items.map((item) => <MarkedItem key={item.key} label={item.label} kind={item.kind} count={item.count} taken={take(item)} />)}</ul>
    </Paper>
  );
}

/** A check mark: the colour and the weight only repeat it. */
function Sign({ taken, count }: { taken: Taken; count: number }) {
  return <span aria-hidden className="sign" data-some={Boolean(taken)}>{taken === undefined ? '?' : taken === count ? '✓' : taken > 0 ? '◐' : '·'}</span>;
}

/** A check mark and words. Plain elements, since there can be hundreds that change at once. */
const MarkedItem = memo(function MarkedItem({ label, kind, count, taken }: { label: string; kind: Item['kind']; count: number; taken: Taken }) {
  const some = taken !== undefined && taken > 0;
  const said = taken === undefined ? 'not told' : taken === count ? 'taken in' : some ? `${taken} of ${count} taken in` : 'not taken in';
  return (
    <li data-taken={taken ?? 'unknown'} data-kind={kind}>
      <Sign taken={taken} count={count} />
      {label}{kind === 'pods' ? ` ×${count}` : ''}
      {some && taken !== count ? ` (${taken} of ${count})` : ''}
      <span className="visually-hidden"> {said}</span>
    </li>
  );
});
