/** A networking.k8s.io NetworkPolicy, edited as what it is: allow rules only, label selectors, no order. */
import { ActionIcon, Button, Card, Checkbox, Group, NativeSelect, Stack, TagsInput, Text, TextInput, Title } from '@mantine/core';
import { duplicateItem, insertItem, moveItem, removeItem, type Path } from '../document/edit';
import { defaultTypes, fields, list, number, set, text, words, parseLabelSelector, setLabelSelector, type LabelCondition } from '../document/kubernetes';
import { useForm, useProblem } from './context';
import { IsIsNot, NumberField, Section, TextField } from './fields';

type Fields = Record<string, unknown>;

export function KubernetesForm({ value, stored }: { value: Fields; stored: boolean }) {
  const [metadata, spec] = [fields(value.metadata), fields(value.spec)];
  const given = words(spec.policyTypes);
  const types = given.length > 0 ? given : ['Ingress', ...(defaultTypes(true, list(spec.egress).length > 0).includes('Egress') ? ['Egress'] : [])];
  const { apply, namespaces } = useForm();
  const namespace = text(metadata.namespace);
  return (
    <Stack gap="lg">
      <Text size="sm">A Kubernetes network policy: it stands in the tier default at order 1000, and allows only.</Text>
      {stored ? <Text fw={600}>{namespace}/{text(metadata.name)}</Text> : (
        <Group align="flex-start" grow>
          <TextField label="Name" path={['metadata', 'name']} value={text(metadata.name)} required />
          <NativeSelect label="Namespace" value={namespace} data={[...new Set([...namespaces.map((ns) => ns.name), namespace])]} onChange={(event) => apply(set(['metadata', 'namespace'], event.currentTarget.value))} />
        </Group>
      )}
      <Section title="Applies to">
        <LabelSelector title="Pods" path={['spec', 'podSelector']} value={spec.podSelector} kind="pods" none="every pod of the namespace" />
      </Section>
      <Section title="Type">
        <Group>
          {['Ingress', 'Egress'].map((type) => (
            <Checkbox key={type} label={type} checked={types.includes(type)} disabled={types.length === 1 && types[0] === type}
              onChange={(event) => apply(set(['spec', 'policyTypes'], ['Ingress', 'Egress'].filter((known) => (known === type ? event.currentTarget.checked : types.includes(known)))))} />
          ))}
        </Group>
      </Section>
      {(['ingress', 'egress'] as const).map((direction) => types.includes(direction === 'ingress' ? 'Ingress' : 'Egress') && <KubernetesRules key={direction} direction={direction} rules={list(spec[direction])} />)}
    </Stack>
  );
}

function KubernetesRules({ direction, rules }: { direction: 'ingress' | 'egress'; rules: unknown[] }) {
  const { apply } = useForm();
  const path: Path = ['spec', direction];
  const side = direction === 'ingress' ? 'from' : 'to';
  return (
    <Stack gap="xs" role="region" aria-label={`${direction} rules`}>
      <Title order={3} size="h5">{direction === 'ingress' ? 'Ingress' : 'Egress'} rules ({rules.length})</Title>
      {rules.map((rule, index) => (
        <Card key={index} withBorder padding="sm" role="group" aria-label={`${direction} rule ${index + 1}`}>
          <Stack gap="sm">
            <Group justify="space-between">
              <Text fw={600} size="sm">Allow {index + 1}</Text>
              <ItemActions name={`${direction} rule ${index + 1}`} path={path} index={index} count={rules.length} />
            </Group>
            <Peers path={[...path, index, side]} peers={list(fields(rule)[side])} side={side} />
            <Ports path={[...path, index, 'ports']} ports={list(fields(rule).ports)} />
          </Stack>
        </Card>
      ))}
      <Button variant="light" style={{ alignSelf: 'flex-start' }} onClick={() => apply((document) => insertItem(document, path, {}))}>+ Add {direction} rule</Button>
    </Stack>
  );
}

export function ItemActions({ name, path, index, count }: { name: string; path: Path; index: number; count: number }) {
  const { apply } = useForm();
  const icon = (label: string, sign: string, disabled: boolean, onClick: () => void) => (
    <ActionIcon variant="subtle" color="gray" aria-label={`${label} ${name}`} disabled={disabled} onClick={onClick}>{sign}</ActionIcon>
  );
  return (
    <Group gap={4}>
      {icon('Move up', '↑', index === 0, () => apply((document) => moveItem(document, path, index, index - 1)))}
      {icon('Move down', '↓', index === count - 1, () => apply((document) => moveItem(document, path, index, index + 1)))}
      {icon('Duplicate', '+', false, () => apply((document) => duplicateItem(document, path, index)))}
      {icon('Delete', '✕', false, () => apply((document) => removeItem(document, path, index)))}
    </Group>
  );
}

function Peers({ path, peers, side }: { path: Path; peers: unknown[]; side: 'from' | 'to' }) {
  const { apply } = useForm();
  const add = (value: Parameters<typeof insertItem>[2]) => apply((document) => insertItem(document, path, value));
  return (
    <Stack gap="xs">
      <Text size="sm" fw={500}>{side === 'from' ? 'From' : 'To'}{peers.length === 0 ? ': anything' : ' any of'}</Text>
      {peers.map((peer, index) => {
        const value = fields(peer);
        const at = [...path, index];
        return (
          <Card key={index} withBorder padding="xs">
            <Group justify="flex-end"><ItemActions name={`peer ${index + 1}`} path={path} index={index} count={peers.length} /></Group>
            {value.ipBlock !== undefined ? (
              <Stack gap="xs">
                <TextField label="CIDR" path={[...at, 'ipBlock', 'cidr']} value={text(fields(value.ipBlock).cidr)} />
                <IsIsNot title="Except" is={[...at, 'ipBlock', 'except']} values={words(fields(value.ipBlock).except)} />
              </Stack>
            ) : (
              <Stack gap="xs">
                <LabelSelector title="Namespaces" path={[...at, 'namespaceSelector']} value={value.namespaceSelector} kind="namespaces" none="every namespace" absent="the policy's own namespace" />
                <LabelSelector title="Pods" path={[...at, 'podSelector']} value={value.podSelector} kind="pods" none="every pod" absent="every pod" />
              </Stack>
            )}
          </Card>
        );
      })}
      <Group gap="xs">
        <Button size="compact-sm" variant="subtle" onClick={() => add({ podSelector: {} })}>+ Add pods</Button>
        <Button size="compact-sm" variant="subtle" onClick={() => add({ namespaceSelector: {} })}>+ Add namespaces</Button>
        <Button size="compact-sm" variant="subtle" onClick={() => add({ ipBlock: { cidr: '10.0.0.0/24' } })}>+ Add CIDR</Button>
      </Group>
    </Stack>
  );
}

function Ports({ path, ports }: { path: Path; ports: unknown[] }) {
  const { apply } = useForm();
  return (
    <Stack gap="xs">
      <Text size="sm" fw={500}>Ports{ports.length === 0 ? ': any' : ''}</Text>
      {ports.map((port, index) => <PortRow key={index} path={path} index={index} value={fields(port)} count={ports.length} />)}
      <Button size="compact-sm" variant="subtle" style={{ alignSelf: 'flex-start' }} onClick={() => apply((document) => insertItem(document, path, { protocol: 'TCP', port: 80 }))}>+ Add port</Button>
    </Stack>
  );
}

function PortRow({ path, index, value, count }: { path: Path; index: number; value: Fields; count: number }) {
  const { apply } = useForm();
  const at = [...path, index];
  const port = typeof value.port === 'number' ? String(value.port) : text(value.port);
  return (
    <Group gap="xs" align="flex-end">
      <NativeSelect label="Protocol" value={text(value.protocol) || 'TCP'} data={['TCP', 'UDP', 'SCTP']} onChange={(event) => apply(set([...at, 'protocol'], event.currentTarget.value))} />
      <TextInput label="Port" w={110} value={port} error={useProblem([...at, 'port'])} onChange={(event) => {
        const next = event.currentTarget.value.trim();
        apply(set([...at, 'port'], /^\d+$/.test(next) ? Number(next) : next), `${index}port`);
      }} />
      <NumberField label="to" path={[...at, 'endPort']} value={number(value.endPort)} />
      <ItemActions name={`port ${index + 1}`} path={path} index={index} count={count} />
    </Group>
  );
}

const operators = ['=', 'In', 'NotIn', 'Exists', 'DoesNotExist'];

/** A Kubernetes label selector: rows that all hold. Absent and empty are different things, so both can be chosen. */
export function LabelSelector({ title, path, value, kind, none, absent }: { title: string; path: Path; value: unknown; kind: 'pods' | 'namespaces'; none: string; absent?: string }) {
  const { apply, labels } = useForm();
  const keys = labels(kind);
  const rows = parseLabelSelector(value);
  const write = (next: LabelCondition[]) => apply(setLabelSelector(path, next));
  const replace = (at: number, row: LabelCondition) => write(rows.map((old, i) => (i === at ? row : old)));
  return (
    <Stack gap={6} role="group" aria-label={title}>
      <Group gap="xs">
        <Text size="sm" fw={500}>{title}:</Text>
        <Text size="sm">{value === undefined && absent !== undefined ? absent : rows.length === 0 ? none : 'with all of'}</Text>
        {value === undefined && absent !== undefined && <Button size="compact-xs" variant="subtle" onClick={() => write([])}>choose: {none}</Button>}
        {value !== undefined && absent !== undefined && <Button size="compact-xs" variant="subtle" onClick={() => apply(set(path, undefined))}>clear: {absent}</Button>}
      </Group>
      {rows.map((row, i) => (
        <Group key={i} gap="xs" align="flex-start">
          <TextInput flex="1 1 120px" aria-label={`${title} condition ${i + 1}: label key`} list={`keys-${kind}`} value={row.key} onChange={(event) => replace(i, { ...row, key: event.currentTarget.value })} />
          <NativeSelect aria-label={`${title} condition ${i + 1}: operator`} value={row.operator} data={operators} onChange={(event) => replace(i, { ...row, operator: event.currentTarget.value as LabelCondition['operator'] })} />
          {row.operator === '=' && <TextInput flex="1 1 100px" aria-label={`${title} condition ${i + 1}: value`} value={row.values[0] ?? ''} onChange={(event) => replace(i, { ...row, values: [event.currentTarget.value] })} />}
          {(row.operator === 'In' || row.operator === 'NotIn') && <TagsInput flex="1 1 100px" aria-label={`${title} condition ${i + 1}: values`} acceptValueOnBlur data={keys.find((known) => known.key === row.key)?.values.map((known) => known.value) ?? []} value={row.values} onChange={(values) => replace(i, { ...row, values })} />}
          <ActionIcon variant="subtle" color="gray" aria-label={`Remove ${title} condition ${i + 1}`} onClick={() => write(rows.filter((_, j) => j !== i))}>✕</ActionIcon>
        </Group>
      ))}
      <datalist id={`keys-${kind}`}>{keys.map((known) => <option key={known.key} value={known.key} />)}</datalist>
      <Button size="compact-sm" variant="subtle" style={{ alignSelf: 'flex-start' }} onClick={() => write([...rows, { key: keys[0]?.key ?? 'app', operator: '=', values: [''] }])}>+ Add label</Button>
    </Stack>
  );
}
