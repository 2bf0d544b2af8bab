/** Small fields: text that is committed as one types, tags, and a titled part of the form. */
import { Fieldset, Group, Input, NumberInput, SegmentedControl, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { useId, type ReactNode } from 'react';
import { set, type Port } from '../document/policy';
import type { Path, Value } from '../document/edit';
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
  const { apply } = useForm();
  const typed = useTyped(value, (text) => apply(set(path, text), pathName(path)));
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

export function NumberField({ label, path, value, description, min, max, decimals = false }: FieldProps & { value: number | undefined; min?: number; max?: number; decimals?: boolean }) {
  const { apply } = useForm();
  return (
    <NumberInput
      label={label}
      description={description}
      value={value ?? ''}
      allowDecimal={decimals}
      hideControls
      {...(min === undefined ? {} : { min })}
      {...(max === undefined ? {} : { max })}
      error={useProblem(path)}
      onChange={(next) => apply(set(path, typeof next === 'number' ? next : undefined), pathName(path))}
    />
  );
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
        acceptValueOnBlur
        splitChars={[',', ' ']}
        placeholder={values.length === 0 ? placeholder : undefined}
        error={useProblem(path)}
        onChange={(next) => apply(set(path, next.map((text): Value => (parse ? parse(text) : text))))}
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

/** One of a few, all in sight. */
export function Choice<T extends string>({ label, value, data, onChange }: { label: string; value: T; data: { value: T; label: string }[]; onChange: (value: T) => void }) {
  const id = useId();
  return (
    <div role="group" aria-labelledby={id}>
      <Text size="sm" fw={500} id={id} mb={4}>
        {label}
      </Text>
      <SegmentedControl aria-label={label} value={value} data={data} onChange={(next) => onChange(next as T)} size="xs" />
    </div>
  );
}
