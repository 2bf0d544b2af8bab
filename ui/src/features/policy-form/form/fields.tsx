/** Small fields: text that is committed as one types, tags, and a titled part of the form. */
import { Fieldset, Group, Input, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { useState, type ReactNode } from 'react';
import { set, type Port } from '../document/policy';
import type { Edit, Path, Value } from '../document/edit';
import { pathName, useForm, useProblem } from './context';
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

/** A field of a number; what is none is not written, and said at the field. `edit` for what is more than setting it. */
export function NumberField({ label, path, value, description, decimals = false, required = false, hideLabel = false, width, edit = (next) => set(path, next) }: FieldProps & {
  value: number | undefined;
  decimals?: boolean;
  /** An empty field is wrong, too. */
  required?: boolean;
  hideLabel?: boolean;
  width?: number;
  edit?: (value: number | undefined) => Edit;
}) {
  const problem = useProblem(path);
  const parse = (text: string) => (required && text.trim() === '' ? 'none' : parseNumber(text, decimals));
  const [wrong, setWrong] = useState<{ text: string; of: number | undefined }>();
  const shown = wrong && wrong.of === value ? wrong.text : value === undefined ? '' : String(value);
  const typed = useTyped(shown, pathName(path), (text) => {
    const parsed = parse(text);
    setWrong(parsed === 'none' ? { text, of: value } : undefined);
    return parsed === 'none' ? undefined : edit(parsed);
  });
  const refused = parse(typed.value) === 'none' ? `"${typed.value}" is not a ${decimals ? '' : 'whole '}number: it is not written` : undefined;
  return (
    <TextInput
      {...(hideLabel ? { 'aria-label': label } : { label })}
      {...(width === undefined ? {} : { w: width })}
      description={description}
      inputMode={decimals ? 'decimal' : 'numeric'}
      value={typed.value}
      error={refused ?? problem}
      onBlur={typed.onBlur}
      onChange={(event) => typed.onChange(event.currentTarget.value)}
    />
  );
}

/** The number that a text is; undefined for an empty one, "none" for what is no number. */
export function parseNumber(text: string, decimals: boolean): number | undefined | 'none' {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  return (decimals ? /^-?(\d+(\.\d*)?|\.\d+)$/ : /^-?\d+$/).test(trimmed) ? Number(trimmed) : 'none';
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
  const { apply } = useForm();
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
        value={values.map(String)}
        data={data}
        limit={50}
        acceptValueOnBlur
        splitChars={[',', ' ']}
        placeholder={values.length === 0 ? placeholder : undefined}
        error={useProblem(path)}
        onChange={(next) => apply(set(path, next.map((text): Value => (parse ? parse(text) : text))), undefined, 'soon')}
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
