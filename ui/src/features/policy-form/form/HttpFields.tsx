import { ActionIcon, Button, Group, NativeSelect, Stack, Text, TextInput } from '@mantine/core';
import { all, set, type HttpHeader, type HttpMatch, type HttpPath } from '../document/policy';
import { insertItem, removeItem, type Path } from '../document/edit';
import { pathName, useForm, useProblem } from './context';
import { IsIsNot, TextField } from './fields';
import { useTyped } from './useTyped';

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE'];
const operators = ['In', 'NotIn', 'Exists', 'DoesNotExist', 'HasPrefix', 'HasSuffix', 'MatchesRegex'];

/** HTTP: which requests an ingress Allow rule is narrowed to (docs/semantics.md, decision-http). All that is filled in must hold. */
export function HttpFields({ path, http }: { path: Path; http: HttpMatch | undefined }) {
  const { apply } = useForm();
  const problem = useProblem(path);
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">With something filled in, the rule is about requests that have all of it. The kernel does not see HTTP: such a rule is stored, and matches nothing. In ingress Allow rules of TCP only.</Text>
      <IsIsNot title="Methods" is={[...path, 'methods']} values={http?.methods ?? []} data={methods} placeholder="GET, POST" />
      <Stack gap="xs" role="group" aria-label="HTTP paths">
        <Text size="sm" fw={500}>Paths{http?.paths.length ? ': one of' : ': any'}</Text>
        {http?.paths.map((value, index) => <PathRow key={index} path={[...path, 'paths', index]} value={value} name={`HTTP path ${index + 1}`} onRemove={() => apply((document) => removeItem(document, [...path, 'paths'], index))} />)}
        <Add label="Add path" onClick={() => apply((document) => insertItem(document, [...path, 'paths'], { prefix: '/' }))} />
      </Stack>
      <Stack gap="xs" role="group" aria-label="HTTP headers">
        <Text size="sm" fw={500}>Headers{http?.headers.length ? ': all of' : ': any'}</Text>
        {http?.headers.map((value, index) => <HeaderRow key={index} path={[...path, 'headers', index]} value={value} name={`HTTP header ${index + 1}`} onRemove={() => apply((document) => removeItem(document, [...path, 'headers'], index))} />)}
        <Add label="Add header" onClick={() => apply((document) => insertItem(document, [...path, 'headers'], { header: 'x-name', operator: 'Exists' }))} />
      </Stack>
      {problem !== undefined && <Text size="sm" c="var(--mantine-color-error)">{problem}</Text>}
    </Stack>
  );
}

function Add({ label, onClick }: { label: string; onClick: () => void }) {
  return <Button variant="subtle" size="compact-sm" style={{ alignSelf: 'flex-start' }} onClick={onClick}>+ {label}</Button>;
}

interface ItemProps<T> {
  path: Path;
  value: T;
  name: string;
  onRemove: () => void;
}

function PathRow({ path, value, name, onRemove }: ItemProps<HttpPath>) {
  const { apply } = useForm();
  const field = value.exact === undefined ? 'prefix' : 'exact';
  const other = field === 'exact' ? 'prefix' : 'exact';
  // An item must not go when its text does: "/" is what every path begins with.
  const typed = useTyped(value.exact ?? value.prefix ?? '', pathName(path), (text) => set([...path, field], text || '/'));
  return (
    <Group gap="xs">
      <NativeSelect aria-label={`${name} is`} value={field} data={[{ value: 'prefix', label: 'begins with' }, { value: 'exact', label: 'is' }]} onChange={() => apply(all(set([...path, other], value[field] || '/'), set([...path, field], undefined)))} />
      <TextInput flex={1} miw={120} aria-label={name} value={typed.value} error={useProblem([...path, field])} onBlur={typed.onBlur} onChange={(event) => typed.onChange(event.currentTarget.value)} />
      <ActionIcon variant="subtle" color="gray" aria-label={`Remove ${name}`} onClick={onRemove}>✕</ActionIcon>
    </Group>
  );
}

function HeaderRow({ path, value, name, onRemove }: ItemProps<HttpHeader>) {
  const { apply } = useForm();
  const bare = value.operator === 'Exists' || value.operator === 'DoesNotExist';
  return (
    <Group gap="xs" align="flex-end">
      <TextField label={name} path={[...path, 'header']} value={value.header} />
      <NativeSelect aria-label={`${name} operator`} value={value.operator} error={useProblem([...path, 'operator'])} data={operators.includes(value.operator) ? operators : [...operators, value.operator]} onChange={(event) => {
        const next = event.currentTarget.value;
        const none = next === 'Exists' || next === 'DoesNotExist';
        apply(all(set([...path, 'operator'], next), ...(none ? [set([...path, 'values'], undefined)] : [])));
      }} />
      {!bare && <IsIsNot title={`${name} values`} is={[...path, 'values']} values={value.values} />}
      <ActionIcon variant="subtle" color="gray" size="input-sm" aria-label={`Remove ${name}`} onClick={onRemove}>✕</ActionIcon>
    </Group>
  );
}
