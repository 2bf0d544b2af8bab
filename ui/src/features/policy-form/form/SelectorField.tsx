/** A selector as rows and as text: both show the same, both can be edited. */
import { ActionIcon, Autocomplete, Button, Checkbox, Group, NativeSelect, Paper, Stack, TagsInput, Text, Textarea } from '@mantine/core';
import { useState } from 'react';
import type { SelectKind } from '../api';
import type { Path } from '../document/edit';
import { set } from '../document/policy';
import { changeOperator, printRows, readSelector, termProblem, type Group as Rows } from '../selector/builder';
import { operators, type Operator, type Term } from '../selector/syntax';
import { pathName, useForm, useProblem } from './context';
import { useTyped } from './useTyped';

const operatorNames: Record<Operator, string> = {
  '==': '=',
  '!=': 'is not',
  in: 'in',
  'not in': 'not in',
  contains: 'contains',
  'starts with': 'starts with',
  'ends with': 'ends with',
  has: 'exists',
  '!has': 'does not exist',
};

const blank: Term = { key: '', operator: '==', values: [] };

export interface SelectorFieldProps {
  title: string;
  path: Path;
  value: string;
  /** Whose labels are offered. */
  of?: SelectKind;
  /** What no selector means here. */
  none: string;
  /** What Match all means here; no text, no choice. */
  matchAll?: string;
  /** What the button says; the tutorial's "Add Label Selector". */
  add?: string;
}

export function SelectorField({ title, path, value, of, none, matchAll, add = 'Add label selector' }: SelectorFieldProps) {
  const { apply } = useForm();
  const problem = useProblem(path);
  const reading = readSelector(value);
  const [unfinished, setUnfinished] = useState<Rows[]>();
  const write = (text: string) => apply(set(path, text), pathName(path));
  const rows = unfinished && printRows(unfinished) === value.trim() ? unfinished : reading.as === 'rows' ? reading.groups : [];
  const writeRows = (next: Rows[]) => {
    setUnfinished(next);
    write(printRows(next));
  };
  return (
    <Stack gap={6} role="group" aria-label={title}>
      <Text size="sm" fw={500}>
        {title}
      </Text>
      {matchAll !== undefined && (
        <Checkbox label="Match all" description={matchAll} checked={reading.as === 'all'} onChange={(event) => write(event.currentTarget.checked ? 'all()' : '')} />
      )}
      {reading.as === 'text' && <Text size="sm">The rows cannot show this selector: {reading.reason}. Edit it as text.</Text>}
      {(reading.as === 'none' || reading.as === 'rows') && <RowsOf title={title} rows={rows} of={of} add={add} onChange={writeRows} />}
      <SelectorText title={title} value={value} none={none} error={problem ?? (reading.as === 'broken' ? `${reading.reason}, at character ${reading.offset + 1}` : undefined)} onChange={write} />
    </Stack>
  );
}

function SelectorText({ title, value, none, error, onChange }: { title: string; value: string; none: string; error: string | undefined; onChange: (text: string) => void }) {
  const typed = useTyped(value, onChange);
  return (
    <Textarea
      aria-label={`${title} as text`}
      placeholder={none}
      autosize
      minRows={1}
      maxRows={6}
      spellCheck={false}
      styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
      value={typed.value}
      error={error}
      onBlur={typed.onBlur}
      onChange={(event) => typed.onChange(event.currentTarget.value)}
    />
  );
}

function RowsOf({ title, rows, of, add, onChange }: { title: string; rows: Rows[]; of: SelectKind | undefined; add: string; onChange: (rows: Rows[]) => void }) {
  const replace = (at: number, group: Rows | undefined) => onChange(rows.flatMap((old, i) => (i !== at ? [old] : group && group.length > 0 ? [group] : [])));
  return (
    <Stack gap={6}>
      {rows.map((group, at) => (
        <Stack gap={6} key={at}>
          {at > 0 && <Text size="xs" fw={700}>OR</Text>}
          <Paper withBorder p="xs">
            <Stack gap="xs">
              {group.map((term, i) => (
                <Row
                  key={i}
                  name={`${title}, ${rows.length > 1 ? `alternative ${at + 1}, ` : ''}condition ${i + 1}`}
                  term={term}
                  of={of}
                  onChange={(next) => replace(at, group.map((old, j) => (j === i ? next : old)))}
                  onRemove={() => replace(at, group.filter((_, j) => j !== i))}
                />
              ))}
              <Button variant="subtle" size="compact-sm" style={{ alignSelf: 'flex-start' }} onClick={() => replace(at, [...group, blank])}>
                + Add condition (and)
              </Button>
            </Stack>
          </Paper>
        </Stack>
      ))}
      <Button variant="subtle" size="compact-sm" style={{ alignSelf: 'flex-start' }} onClick={() => onChange([...rows, [blank]])}>
        + {rows.length > 0 ? `${add} (or)` : add}
      </Button>
    </Stack>
  );
}

function Row({ name, term, of, onChange, onRemove }: { name: string; term: Term; of: SelectKind | undefined; onChange: (term: Term) => void; onRemove: () => void }) {
  const keys = useForm().labels(of);
  const values = keys.find((known) => known.key === term.key)?.values.map((known) => known.value) ?? [];
  const many = term.operator === 'in' || term.operator === 'not in';
  const problem = termProblem(term);
  const key = useTyped(term.key, (text) => onChange({ ...term, key: text }));
  const value = useTyped(term.values[0] ?? '', (text) => onChange({ ...term, values: [text] }));
  return (
    <Group gap="xs" align="flex-start">
      <Autocomplete flex="2 1 130px" aria-label={`${name}: label key`} placeholder="label key" data={keys.map((known) => known.key)} limit={50} value={key.value} error={problem} onBlur={key.onBlur} onChange={key.onChange} />
      <NativeSelect aria-label={`${name}: operator`} value={term.operator} data={operators.map((value) => ({ value, label: operatorNames[value] }))} onChange={(event) => onChange(changeOperator(term, event.currentTarget.value as Operator))} />
      {many && <TagsInput flex="2 1 130px" aria-label={`${name}: values`} data={values} acceptValueOnBlur value={term.values} onChange={(next) => onChange({ ...term, values: next })} />}
      {!many && term.operator !== 'has' && term.operator !== '!has' && (
        <Autocomplete flex="2 1 110px" aria-label={`${name}: value`} placeholder="value" data={values} limit={50} value={value.value} onBlur={value.onBlur} onChange={value.onChange} />
      )}
      <ActionIcon variant="subtle" color="gray" size="input-sm" aria-label={`Remove ${name}`} onClick={onRemove}>
        ✕
      </ActionIcon>
    </Group>
  );
}
