/** A networking.k8s.io NetworkPolicy, edited as what it is: allow rules only, label selectors, no order. */
import { Button, Card, Checkbox, Group, NativeSelect, Stack, Text, TextInput, Title } from '@mantine/core';
import { insertItem, type Path } from '../document/edit';
import { defaultTypes, fields, list, set, text, word, words } from '../document/kubernetes';
import { pathName, useForm, useProblem } from './context';
import { RuleCount } from './RuleCount';
import { IsIsNot, NumberField, parsePort, Section, TextField } from './fields';
import { ItemActions } from './ItemActions';
import { LabelSelector } from './LabelSelector';
import { useTyped } from './useTyped';

type Fields = Record<string, unknown>;

export function KubernetesForm({ value, stored, toTiered }: { value: Fields; stored: boolean; toTiered: () => void }) {
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
      {!stored && (
        <Section title="Options">
          <Checkbox label="Use Kubernetes network policy" description="Without it: begins a policy of this name with a tier, an order and all actions; Undo goes back" checked onChange={toTiered} />
        </Section>
      )}
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
        <Card key={index} withBorder padding="sm" role="group" aria-label={`${direction} rule ${index}`}>
          <Stack gap="sm">
            <Group justify="space-between">
              <div><Text fw={600} size="sm">{index} · Allow</Text><RuleCount direction={direction} index={index} /></div>
              <ItemActions name={`${direction} rule ${index}`} path={path} index={index} count={rules.length} />
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
  const typed = useTyped(typeof value.port === 'number' ? String(value.port) : text(value.port), pathName([...at, 'port']), (next) => set([...at, 'port'], parsePort(next)));
  return (
    <Group gap="xs" align="flex-end">
      <NativeSelect label="Protocol" value={text(value.protocol) || 'TCP'} data={['TCP', 'UDP', 'SCTP']} onChange={(event) => apply(set([...at, 'protocol'], event.currentTarget.value))} />
      <TextInput label="Port" w={110} value={typed.value} error={useProblem([...at, 'port'])} onBlur={typed.onBlur} onChange={(event) => typed.onChange(event.currentTarget.value)} />
      <NumberField label="to" path={[...at, 'endPort']} value={word(value.endPort)} />
      <ItemActions name={`port ${index + 1}`} path={path} index={index} count={count} />
    </Group>
  );
}
