/** A selector as rows and as text: both show the same, both can be edited. */
import { ActionIcon, Autocomplete, Button, Checkbox, Group, NativeSelect, Paper, Stack, TagsInput, Text, Textarea } from '@mantine/core';
import { useRef, useState } from 'react';
import type { Document } from 'yaml';
import type { SelectKind } from '../api';
import { valueAt, type Edit, type Path } from '../document/edit';
import { set, text as textOf } from '../document/policy';
import { changeOperator, printRows, readSelector, termProblem, type Group as Rows } from '../selector/builder';
import { operators, type Operator, type Term } from '../selector/syntax';
import { pathName, useForm, useProblem } from './context';
import { useTags } from './useTags';
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

/** Rows with those that are not finished, and what they are as text. */
interface Written {
  rows: Rows[];
  text: string;
}

/** A change of rows; the same rows for none. */
type Update = (rows: Rows[]) => Rows[];

function rowsOf(text: string): Rows[] {
  const reading = readSelector(text);
  return reading.as === 'rows' ? reading.groups : [];
}

/**
 * The rows of a selector, and how to change them. A change starts from the document's
 * text and not from what is drawn, which may be a letter older. The text cannot say
 * rows without a key: those are remembered beside it for as long as it stays the same.
 */
function useRows(path: Path, value: string) {
  const { apply, later, flush } = useForm();
  const [drawn, setDrawn] = useState<Written>();
  const latest = useRef<Written>(undefined);
  const known = drawn?.text === value.trim();
  const edit = (update: Update): Edit => (document: Document) => {
    const text = textOf(valueAt(document, path)).trim();
    const next = update(latest.current?.text === text ? latest.current.rows : rowsOf(text));
    latest.current = { rows: next, text: printRows(next) };
    set(path, latest.current.text)(document);
  };
  const written = () => setDrawn(latest.current);
  return {
    rows: known ? drawn.rows : rowsOf(value),
    /** The rows are what was made with them here, whether or not it can be read. */
    known,
    edit,
    written,
    topic: pathName(path),
    now: (update: Update) => {
      apply(edit(update), pathName(path));
      written();
    },
    /** For what comes of leaving a field; `done` is called when it is drawn. */
    soon: (update: Update, done: () => void) => {
      later({}, { edit: () => edit(update), topic: pathName(path), written: () => {
        written();
        done();
      } });
      flush();
    },
  };
}

type RowsModel = ReturnType<typeof useRows>;

export function SelectorField({ title, path, value, of, none, matchAll, add = 'Add label selector' }: SelectorFieldProps) {
  const { apply } = useForm();
  const problem = useProblem(path);
  const reading = readSelector(value);
  const model = useRows(path, value);
  return (
    <Stack gap={6} role="group" aria-label={title}>
      <Text size="sm" fw={500}>
        {title}
      </Text>
      {matchAll !== undefined && (
        <Checkbox label="Match all" description={matchAll} checked={reading.as === 'all'} onChange={(event) => apply(set(path, event.currentTarget.checked ? 'all()' : ''))} />
      )}
      {reading.as === 'text' && <Text size="sm">The rows cannot show this selector: {reading.reason}. Edit it as text.</Text>}
      {(model.known ? reading.as !== 'all' : reading.as === 'none' || reading.as === 'rows') && <RowsOf title={title} model={model} of={of} add={add} />}
      <SelectorText title={title} path={path} value={value} none={none} error={problem ?? (reading.as === 'broken' ? `${reading.reason}, at character ${reading.offset + 1}` : undefined)} />
    </Stack>
  );
}

function SelectorText({ title, path, value, none, error }: { title: string; path: Path; value: string; none: string; error: string | undefined }) {
  const typed = useTyped(value, pathName(path), (text) => set(path, text));
  return (
    <Textarea
      aria-label={`${title} as text`}
      placeholder={none}
      // As high as its text, without being measured: `autosize` measures each one whenever anything is drawn.
      rows={Math.min(6, 1 + Math.floor(typed.value.length / 50))}
      spellCheck={false}
      styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fieldSizing: 'content', maxHeight: '9.5em' } }}
      value={typed.value}
      error={error}
      onBlur={typed.onBlur}
      onChange={(event) => typed.onChange(event.currentTarget.value)}
    />
  );
}

/** The rows with one alternative replaced; gone, if nothing is left of it. */
function replaceGroup(rows: Rows[], at: number, change: (group: Rows) => Rows): Rows[] {
  return rows.map((group, i) => (i === at ? change(group) : group)).filter((group) => group.length > 0);
}

function RowsOf({ title, model, of, add }: { title: string; model: RowsModel; of: SelectKind | undefined; add: string }) {
  const { rows } = model;
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
                  model={model}
                  replace={(change) => (all) => replaceGroup(all, at, (terms) => terms.map((old, j) => (j === i ? change(old) : old)))}
                  onRemove={() => model.now((all) => replaceGroup(all, at, (terms) => terms.filter((_, j) => j !== i)))}
                />
              ))}
              <Button variant="subtle" size="compact-sm" style={{ alignSelf: 'flex-start' }} onClick={() => model.now((all) => replaceGroup(all, at, (terms) => [...terms, blank]))}>
                + Add condition (and)
              </Button>
            </Stack>
          </Paper>
        </Stack>
      ))}
      <Button variant="subtle" size="compact-sm" style={{ alignSelf: 'flex-start' }} onClick={() => model.now((all) => [...all, [blank]])}>
        + {rows.length > 0 ? `${add} (or)` : add}
      </Button>
    </Stack>
  );
}

interface RowProps {
  name: string;
  term: Term;
  of: SelectKind | undefined;
  model: RowsModel;
  /** The change of all rows that a change of this one is. */
  replace: (change: (term: Term) => Term) => Update;
  onRemove: () => void;
}

function Row({ name, term, of, model, replace, onRemove }: RowProps) {
  const keys = useForm().labels(of);
  const values = keys.find((known) => known.key === term.key)?.values.map((known) => known.value) ?? [];
  const many = term.operator === 'in' || term.operator === 'not in';
  const problem = termProblem(term);
  const key = useTyped(term.key, `${model.topic} ${name} key`, (text) => model.edit(replace((old) => ({ ...old, key: text.trim() }))), model.written);
  const value = useTyped(term.values[0] ?? '', `${model.topic} ${name} value`, (text) => model.edit(replace((old) => ({ ...old, values: [text] }))), model.written);
  const tags = useTags(term.values, (next, written) => model.soon(replace((old) => ({ ...old, values: next })), written));
  return (
    <Group gap="xs" align="flex-start">
      <Autocomplete flex="2 1 130px" aria-label={`${name}: label key`} placeholder="label key" data={keys.map((known) => known.key)} limit={50} value={key.value} error={problem} onBlur={key.onBlur} onChange={key.onChange} />
      <NativeSelect aria-label={`${name}: operator`} value={term.operator} data={operators.map((value) => ({ value, label: operatorNames[value] }))} onChange={(event) => {
        const operator = event.currentTarget.value as Operator;
        model.now(replace((old) => changeOperator(old, operator)));
      }} />
      {many && <TagsInput flex="2 1 130px" aria-label={`${name}: values`} data={values} limit={50} acceptValueOnBlur value={tags.value} onChange={tags.onChange} />}
      {!many && term.operator !== 'has' && term.operator !== '!has' && (
        <Autocomplete flex="2 1 110px" aria-label={`${name}: value`} placeholder="value" data={values} limit={50} value={value.value} onBlur={value.onBlur} onChange={value.onChange} />
      )}
      <ActionIcon variant="subtle" color="gray" size="input-sm" aria-label={`Remove ${name}`} onClick={onRemove}>
        ✕
      </ActionIcon>
    </Group>
  );
}
