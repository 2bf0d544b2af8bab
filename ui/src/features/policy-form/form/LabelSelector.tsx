import { ActionIcon, Button, Group, NativeSelect, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import type { Path } from '../document/edit';
import { editLabelSelector, parseLabelSelector, set, setLabelSelector, type LabelCondition } from '../document/kubernetes';
import { pathName, useForm, useProblem } from './context';
import { useTags } from './useTags';
import { useTyped } from './useTyped';

const operators = ['=', 'In', 'NotIn', 'Exists', 'DoesNotExist'];

interface Props {
  title: string;
  path: Path;
  value: unknown;
  /** Whose labels are offered; nodes' are not known. */
  kind: 'pods' | 'namespaces' | 'nodes';
  /** What no rows mean. */
  none: string;
  /** What no selector at all means; undefined where there must be one. */
  absent?: string;
}

/** A Kubernetes label selector: rows that all hold. Absent and empty are different things, so both can be chosen. */
export function LabelSelector({ title, path, value, kind, none, absent }: Props) {
  const { apply, labels } = useForm();
  const keys = kind === 'nodes' ? [] : labels(kind);
  const rows = parseLabelSelector(value);
  const problem = useProblem(path);
  const [first] = keys;
  return (
    <Stack gap={6} role="group" aria-label={title}>
      <Group gap="xs">
        <Text size="sm" fw={500}>{title}:</Text>
        <Text size="sm">{value === undefined && absent !== undefined ? absent : rows.length === 0 ? none : 'with all of'}</Text>
        {value === undefined && absent !== undefined && <Button size="compact-xs" variant="subtle" onClick={() => apply(setLabelSelector(path, []))}>choose: {none}</Button>}
        {value !== undefined && absent !== undefined && <Button size="compact-xs" variant="subtle" onClick={() => apply(set(path, undefined))}>clear: {absent}</Button>}
      </Group>
      {rows.map((row, i) => <ConditionRow key={i} name={`${title} condition ${i + 1}`} path={path} at={i} row={row} kind={kind} values={keys.find((known) => known.key === row.key)?.values.map((known) => known.value) ?? []} />)}
      <datalist id={`keys-${kind}`}>{keys.map((known) => <option key={known.key} value={known.key} />)}</datalist>
      {problem !== undefined && <Text size="sm" c="var(--mantine-color-error)">{problem}</Text>}
      <Button size="compact-sm" variant="subtle" style={{ alignSelf: 'flex-start' }} onClick={() => apply(editLabelSelector(path, (now) => [...now, { key: first?.key ?? 'app', operator: '=', values: [''] }]))}>+ Add label</Button>
    </Stack>
  );
}

function ConditionRow({ name, path, at, row, kind, values }: { name: string; path: Path; at: number; row: LabelCondition; kind: Props['kind']; values: string[] }) {
  const { apply, later, flush } = useForm();
  const change = (part: Partial<LabelCondition>) => editLabelSelector(path, (rows) => rows.map((old, i) => (i === at ? { ...old, ...part } : old)));
  const topic = `${pathName(path)} ${at}`;
  const key = useTyped(row.key, `${topic} key`, (text) => change({ key: text.trim() }));
  const value = useTyped(row.values[0] ?? '', `${topic} value`, (text) => change({ values: [text] }));
  const tags = useTags(row.values, (next, written) => {
    later({}, { edit: () => change({ values: next }), topic: `${topic} values`, written });
    flush();
  });
  return (
    <Group gap="xs" align="flex-start">
      <TextInput flex="1 1 120px" aria-label={`${name}: label key`} list={`keys-${kind}`} value={key.value} onBlur={key.onBlur} onChange={(event) => key.onChange(event.currentTarget.value)} />
      <NativeSelect aria-label={`${name}: operator`} value={row.operator} data={operators} onChange={(event) => apply(change({ operator: event.currentTarget.value as LabelCondition['operator'] }))} />
      {row.operator === '=' && <TextInput flex="1 1 100px" aria-label={`${name}: value`} value={value.value} onBlur={value.onBlur} onChange={(event) => value.onChange(event.currentTarget.value)} />}
      {(row.operator === 'In' || row.operator === 'NotIn') && (
        <TagsInput flex="1 1 100px" aria-label={`${name}: values`} acceptValueOnBlur limit={50} data={values} value={tags.value} onChange={tags.onChange} />
      )}
      <ActionIcon variant="subtle" color="gray" aria-label={`Remove ${name}`} onClick={() => apply(editLabelSelector(path, (rows) => rows.filter((_, i) => i !== at)))}>✕</ActionIcon>
    </Group>
  );
}
