/** A staged policy beside what it would replace: what differs, rule by rule and line by line, and what enforcing it would change. */
import { Alert, Loader, Stack, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { Schemas } from '../../api/client';
import { shortName } from '../../api/names';
import { storedQuery, policyQuery, previewQuery } from '../../api/queries';
import { PreviewChanges } from '../../parts/preview-changes';
import { Failure } from '../../parts/query-view';
import { align, type Row } from './align';

interface SideBySideProps {
  /** The staged policy, as Kind/namespace/name. */
  staged: string;
  /** What is enforced in its place; undefined if nothing is. */
  replaces?: string | undefined;
  /** Whether it deletes that. */
  deletes: boolean;
}

export function SideBySide({ staged, replaces, deletes }: SideBySideProps) {
  const now = useSide(replaces);
  const then = useSide(staged);
  const error = now.error ?? then.error;
  if (error) return <Failure error={error} />;
  if (!now.ready || !then.ready) return <Loader size="sm" aria-label="Both are read" />;
  const [left, right] = [parts(now.draft), deletes ? [] : parts(then.draft)];
  return (
    <Stack gap="md">
      {deletes && <Text size="sm">Enforcing it deletes {replaces ? shortName(replaces) : 'what is not there any more'}.</Text>}
      <Sides title="What differs" left={left} right={right} now={replaces} then={staged} gone={deletes} />
      {!deletes && now.spec && then.spec && (
        <details>
          <summary>The same as YAML</summary>
          <Lines now={now.spec} then={then.spec} />
        </details>
      )}
      <Changes yaml={then.yaml} />
    </Stack>
  );
}

interface Side {
  ready: boolean;
  error?: Error | null;
  draft?: Schemas['Draft'] | undefined;
  yaml?: string | undefined;
  /** The lines of the text from `spec:` on. */
  spec?: string[] | undefined;
}

function useSide(id: string | undefined): Side {
  const draft = useQuery({ ...policyQuery(id ?? ''), enabled: id !== undefined });
  const stored = useQuery({ ...storedQuery(id ?? ''), enabled: id !== undefined });
  if (id === undefined) return { ready: true };
  const yaml = stored.data?.yaml;
  return { ready: draft.data !== undefined && stored.data !== undefined, error: draft.error ?? stored.error, draft: draft.data, yaml, spec: yaml === undefined ? undefined : specOf(yaml) };
}

/** What a policy says, without what tells a staged one from the one that it stands for. */
export function specOf(yaml: string): string[] {
  const lines = yaml.trimEnd().split('\n');
  const from = lines.findIndex((line) => /^spec:/.test(line));
  return lines.slice(from < 0 ? 0 : from).filter((line) => !/^\s+stagedAction:/.test(line));
}

/** One thing that a policy says: under the same title, two policies can say different ones. */
interface Part {
  title: string;
  text: string;
}

const directions = ['ingress', 'egress'] as const;

/** What the server makes of a policy, part by part. */
export function parts(draft: Schemas['Draft'] | undefined): Part[] {
  if (!draft) return [];
  // The first sentence says what it applies to; the rest counts the rules, which stand below.
  const applies = /^.*?[.](?= (?:Ingress|Egress|It)\b|$)/.exec(draft.sentence ?? '')?.[0] ?? draft.sentence ?? '';
  return [
    { title: 'Applies to', text: applies },
    { title: 'Tier, order', text: `${draft.tier ?? 'default'}, ${draft.order ?? 'no order: last'}` },
    { title: 'Type', text: draft.types?.join(', ') ?? '' },
    ...directions.flatMap((direction) => (draft.rules ?? []).filter((rule) => rule.direction === direction).map((rule): Part => ({ title: direction, text: rule.sentence }))),
  ];
}

function Sides({ title, left, right, now, then, gone }: { title: string; left: Part[]; right: Part[]; now: string | undefined; then: string; gone: boolean }) {
  const titles = ['Applies to', 'Tier, order', 'Type', ...directions];
  const rows = titles.flatMap((one) => align(left.filter((part) => part.title === one), right.filter((part) => part.title === one), (a, b) => a.text === b.text).map((row) => ({ ...row, title: one })));
  const differing = rows.filter((row) => !row.same).length;
  const [leftNumber, rightNumber] = [counter(), counter()];
  return (
    <section>
      <Title order={3} size="h5">{title}</Title>
      <Text size="sm" role="status">{now === undefined ? 'Nothing is enforced in its place: all of it is new.' : gone ? '' : differing === 0 ? 'They say the same.' : `${differing} of ${rows.length} parts differ.`}</Text>
      <div className="scroll" tabIndex={0} role="region" aria-label={title}>
        <Table withTableBorder verticalSpacing={6}>
          <Table.Thead><Table.Tr><Table.Th scope="col">Part</Table.Th><Table.Th scope="col">Enforced{now ? `: ${shortName(now)}` : ''}</Table.Th><Table.Th scope="col">Staged: {shortName(then)}</Table.Th><Table.Th scope="col">Difference</Table.Th></Table.Tr></Table.Thead>
          <Table.Tbody>{rows.map((row, at) => {
            const rule = row.title === 'ingress' || row.title === 'egress';
            return <Table.Tr key={at} data-same={row.same} fw={row.same ? undefined : 600}>
              <Table.Td>{row.title}{rule ? ' rule' : ''}</Table.Td>
              <Table.Td>{row.left ? `${rule ? `${leftNumber(row.title)}: ` : ''}${row.left.text}` : '–'}</Table.Td>
              <Table.Td>{row.right ? `${rule ? `${rightNumber(row.title)}: ` : ''}${row.right.text}` : '–'}</Table.Td>
              <Table.Td>{difference(row)}</Table.Td>
            </Table.Tr>;
          })}</Table.Tbody>
        </Table>
      </div>
    </section>
  );
}

/** Numbers rules from 0, each direction for itself. */
function counter(): (direction: string) => number {
  const next = new Map<string, number>();
  return (direction) => {
    const number = next.get(direction) ?? 0;
    next.set(direction, number + 1);
    return number;
  };
}

function difference(row: Row<Part>): string {
  if (row.same) return 'same';
  if (!row.left) return '+ added';
  return row.right ? '≠ changed' : '− taken away';
}

function Lines({ now, then }: { now: string[]; then: string[] }) {
  const signs = (row: Row<string>): [string, string][] => (row.same ? [[' ', row.left ?? '']] : [...(row.left === undefined ? [] : [['-', row.left] as [string, string]]), ...(row.right === undefined ? [] : [['+', row.right] as [string, string]])]);
  const text = align(now, then, (a, b) => a === b).flatMap(signs).map(([sign, line]) => `${sign} ${line}`).join('\n');
  return <pre className="scroll" tabIndex={0} role="region" aria-label="Difference of the texts" style={{ fontSize: 13, maxHeight: '50vh', overflow: 'auto' }}>{text}</pre>;
}

/** What the tables say that enforcing it would change. */
function Changes({ yaml }: { yaml: string | undefined }) {
  const query = useQuery({ ...previewQuery(yaml ?? ''), enabled: yaml !== undefined });
  return (
    <section aria-label="What enforcing it would change">
      <Title order={3} size="h5">What enforcing it would change</Title>
      {query.error ? <Failure error={query.error} /> : !query.data ? <Loader size="sm" aria-label="The server compares" />
        : query.data.problems.some((problem) => problem.refuses) ? <Alert color="red" variant="outline" title="It would be refused">{query.data.problems.map((problem) => problem.message).join('; ')}</Alert>
          : <PreviewChanges preview={query.data} />}
    </section>
  );
}
