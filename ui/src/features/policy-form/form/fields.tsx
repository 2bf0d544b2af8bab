/** Small fields: text that is committed as one types, tags, and a titled part of the form. */
import { Fieldset, Group, Input, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { useState, type ReactNode } from 'react';
import { set, type Port } from '../document/policy';
import type { Edit, Path, Value } from '../document/edit';
import { pathName, useForm, useProblem } from './context';
import { useTags } from './useTags';
import { useTyped } from './useTyped';

/** A part of the form, with the tutorial's heading. */
export function Section({ title, children, note }: { title: string; children: ReactNode; note?: string }) {
  return (
    <Fieldset legend={title} variant="unstyled" styles={{ legend: { fontWeight: 700, marginBottom: 4 } }}>
      {note !== undefined && (
        <Text size="sm" c="dimmed" mb="xs">
          {note}
        </Text>
      )}
      <Stack gap="sm">{children}</Stack>
    </Fieldset>
  );
}

interface FieldProps {
  label: string;
  path: Path;
  description?: string;
}

export function TextField({ label, path, value, description, required = false }: FieldProps & { value: string; required?: boolean }) {
  const typed = useTyped(value, pathName(path), (text) => set(path, text));
  return (
    <TextInput
      label={label}
      description={description}
      value={typed.value}
      required={required}
      error={useProblem(path)}
      onBlur={typed.onBlur}
      onChange={(event) => typed.onChange(event.currentTarget.value)}
    />
  );
}

/** What stands where a number should: what is none is written as it is, said at the field, and refused by the server. */
export type Numeric = number | string | undefined;

interface NumberFieldProps extends FieldProps {
  value: Numeric;
  decimals?: boolean;
  /** What it is in would go with it: an empty field is not written, and said to be wrong. */
  required?: boolean;
  hideLabel?: boolean;
  width?: number;
  /** For what is more than setting it. */
  edit?: (value: Numeric) => Edit;
}

export function NumberField({ label, path, value, description, decimals = false, required = false, hideLabel = false, width, edit = (next) => set(path, next) }: NumberFieldProps) {
  const problem = useProblem(path);
  const [emptied, setEmptied] = useState<{ of: Numeric }>();
  const typed = useTyped(emptied && emptied.of === value ? '' : String(value ?? ''), pathName(path), (text) => {
    const none = required && text.trim() === '';
    setEmptied(none ? { of: value } : undefined);
    return none ? undefined : edit(parseNumber(text, decimals));
  });
  const parsed = parseNumber(typed.value, decimals);
  const wrong = typeof parsed === 'string' ? `"${parsed}" is not a ${decimals ? '' : 'whole '}number` : required && parsed === undefined ? 'a number is needed' : undefined;
  return (
    <TextInput
      {...(hideLabel ? { 'aria-label': label } : { label })}
      {...(width === undefined ? {} : { w: width })}
      description={description}
      inputMode={decimals ? 'decimal' : 'numeric'}
      value={typed.value}
      error={wrong ?? problem}
      onBlur={typed.onBlur}
      onChange={(event) => typed.onChange(event.currentTarget.value)}
    />
  );
}

/** The number that a text is; undefined for an empty one, the text itself for what is no number. */
export function parseNumber(text: string, decimals: boolean): Numeric {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  return (decimals ? /^-?(\d+(\.\d*)?|\.\d+)$/ : /^-?\d+$/).test(trimmed) ? Number(trimmed) : trimmed;
}

/** A list of words or ports with its negation: Is / Is not. */
export function IsIsNot({ title, is, isNot, values, notValues, parse, placeholder, data = [], description }: {
  title: string;
  is: Path;
  isNot?: Path;
  values: readonly Port[];
  notValues?: readonly Port[];
  parse?: (text: string) => Port;
  placeholder?: string;
  data?: string[];
  description?: string;
}) {
  return (
    <Input.Wrapper component="div" label={title} labelElement="div" description={description}>
      <Stack gap={4} mt={4}>
        <Tags label={isNot ? `${title}: is` : title} prefix={isNot ? 'Is' : undefined} path={is} values={values} {...{ parse, placeholder, data }} />
        {isNot && <Tags label={`${title}: is not`} prefix="Is not" path={isNot} values={notValues ?? []} {...{ parse, placeholder, data }} />}
      </Stack>
    </Input.Wrapper>
  );
}

function Tags({ label, prefix, path, values, parse, placeholder, data }: {
  label: string;
  prefix: string | undefined;
  path: Path;
  values: readonly Port[];
  parse?: ((text: string) => Port) | undefined;
  placeholder?: string | undefined;
  data: string[];
}) {
  const { later, flush } = useForm();
  const tags = useTags(values.map(String), (next, written) => {
    later({}, { edit: () => set(path, next.map((text): Value => (parse ? parse(text) : text))), topic: `${pathName(path)} values`, written });
    flush();
  });
  return (
    <Group gap="xs" wrap="nowrap" align="flex-start">
      {prefix !== undefined && (
        <Text size="sm" w={44} pt={7} aria-hidden style={{ flexShrink: 0 }}>
          {prefix}
        </Text>
      )}
      <TagsInput
        flex={1}
        miw={0}
        aria-label={label}
        value={tags.value}
        data={data}
        limit={50}
        acceptValueOnBlur
        splitChars={[',', ' ']}
        placeholder={tags.value.length === 0 ? placeholder : undefined}
        error={useProblem(path)}
        onChange={tags.onChange}
      />
    </Group>
  );
}

/** "80" is a number, "8000:8080" a range, "8000-8080" what people write for one, anything else a name. */
export function parsePort(text: string): Port {
  const trimmed = text.trim();
  if (/^\d+$/.test(trimmed)) return Number(trimmed);
  return trimmed.replace(/^(\d+)\s*-\s*(\d+)$/, '$1:$2');
}
