/** A ClusterNetworkPolicy, edited as what it is: a subject, a tier of two, a priority, and rules whose peers and protocols are lists. */
import { Button, Card, Group, NativeSelect, Stack, Text, Title } from '@mantine/core';
import { insertItem, type Path, type Value } from '../document/edit';
import { all, fields, list, number, set, text, word, words } from '../document/kubernetes';
import { RuleCount } from './RuleCount';
import { problemsAt, useForm } from './context';
import { IsIsNot, NumberField, Section, TextField } from './fields';
import { ItemActions } from './ItemActions';
import { LabelSelector } from './LabelSelector';

type Fields = Record<string, unknown>;
const sides = { ingress: 'from', egress: 'to' } as const;

export function ClusterForm({ value, stored }: { value: Fields; stored: boolean }) {
  const { apply } = useForm();
  const [metadata, spec] = [fields(value.metadata), fields(value.spec)];
  return (
    <Stack gap="lg">
      <Text size="sm">A Kubernetes ClusterNetworkPolicy: it stands before all tiers (Admin) or after them (Baseline), and applies to pods.</Text>
      <Group align="flex-start" grow>
        {stored ? <Text fw={600}>{text(metadata.name)}</Text> : <TextField label="Name" path={['metadata', 'name']} value={text(metadata.name)} required />}
        <NativeSelect label="Tier" value={text(spec.tier)} data={['Admin', 'Baseline']} onChange={(event) => apply(set(['spec', 'tier'], event.currentTarget.value))} />
        <NumberField label="Priority" description="0 to 1000, lowest first" path={['spec', 'priority']} value={word(spec.priority)} />
      </Group>
      <Section title="Applies to">
        <PodsOrNamespaces title="Subject" path={['spec', 'subject']} value={fields(spec.subject)} />
      </Section>
      {(['ingress', 'egress'] as const).map((direction) => <ClusterRules key={direction} direction={direction} rules={list(spec[direction])} />)}
    </Stack>
  );
}

function ClusterRules({ direction, rules }: { direction: 'ingress' | 'egress'; rules: unknown[] }) {
  const { apply, draft } = useForm();
  const path: Path = ['spec', direction];
  const add = () => apply((document) => insertItem(document, path, { action: 'Accept', [sides[direction]]: [{ namespaces: {} }] }));
  return (
    <Stack gap="xs" role="region" aria-label={`${direction} rules`}>
      <Title order={3} size="h5">{direction === 'ingress' ? 'Ingress' : 'Egress'} rules ({rules.length})</Title>
      {rules.map((rule, index) => {
        const at = [...path, index];
        const name = `${direction} rule ${index}`;
        return (
          <Card key={index} withBorder padding="sm" role="group" aria-label={name}>
            <Stack gap="sm">
              <Group align="flex-end">
                <NativeSelect label="Action" value={text(fields(rule).action)} data={['Accept', 'Deny', 'Pass']} onChange={(event) => apply(set([...at, 'action'], event.currentTarget.value))} />
                <TextField label="Rule name" path={[...at, 'name']} value={text(fields(rule).name)} />
                <ItemActions name={name} path={path} index={index} count={rules.length} />
              </Group>
              <Text size="sm">{draft?.rules?.find((known) => known.direction === direction && known.rule === index)?.sentence}</Text>
              <RuleCount direction={direction} index={index} />
              {problemsAt(draft, at).map((problem) => <Text key={problem.code + problem.message} size="sm" c="var(--mantine-color-error)">✕ {problem.message}{problem.hint ? `: ${problem.hint}` : ''}</Text>)}
              <Peers path={[...at, sides[direction]]} peers={list(fields(rule)[sides[direction]])} egress={direction === 'egress'} />
              <Protocols path={[...at, 'protocols']} protocols={list(fields(rule).protocols)} />
            </Stack>
          </Card>
        );
      })}
      <Button variant="light" style={{ alignSelf: 'flex-start' }} onClick={add}>+ Add {direction} rule</Button>
    </Stack>
  );
}

/** Namespaces with all their pods, or pods by the labels of both: the API takes one of the two. */
function PodsOrNamespaces({ title, path, value }: { title: string; path: Path; value: Fields }) {
  const { apply } = useForm();
  const pods = value.pods !== undefined;
  const choose = (next: string) => apply(next === 'pods'
    ? all(put([...path, 'pods'], { namespaceSelector: {}, podSelector: {} }), set([...path, 'namespaces'], undefined))
    : all(put([...path, 'namespaces'], {}), set([...path, 'pods'], undefined)));
  return (
    <Stack gap="xs">
      <NativeSelect label={title} value={pods ? 'pods' : 'namespaces'} data={[{ value: 'namespaces', label: 'All pods of namespaces' }, { value: 'pods', label: 'Some pods of namespaces' }]} style={{ alignSelf: 'flex-start' }} onChange={(event) => choose(event.currentTarget.value)} />
      <LabelSelector title="Namespaces" path={pods ? [...path, 'pods', 'namespaceSelector'] : [...path, 'namespaces']} value={pods ? fields(value.pods).namespaceSelector : value.namespaces} kind="namespaces" none="every namespace" />
      {pods && <LabelSelector title="Pods" path={[...path, 'pods', 'podSelector']} value={fields(value.pods).podSelector} kind="pods" none="every pod of them" />}
    </Stack>
  );
}

/** Writes a mapping that may be empty: an empty selector takes everything in, and is not the same as none. */
function put(path: Path, value: Value): ReturnType<typeof set> {
  return (document) => document.setIn(path, document.createNode(value));
}

function Peers({ path, peers, egress }: { path: Path; peers: unknown[]; egress: boolean }) {
  const { apply } = useForm();
  const add = (value: Value) => apply((document) => insertItem(document, path, value));
  return (
    <Stack gap="xs">
      <Text size="sm" fw={500}>{egress ? 'To' : 'From'}{peers.length === 0 ? ': nothing, add a peer' : ' any of'}</Text>
      {peers.map((peer, index) => (
        <Card key={index} withBorder padding="xs" role="group" aria-label={`peer ${index + 1}`}>
          <Group justify="flex-end"><ItemActions name={`peer ${index + 1}`} path={path} index={index} count={peers.length} /></Group>
          <Peer path={[...path, index]} value={fields(peer)} name={`Peer ${index + 1}`} />
        </Card>
      ))}
      <Group gap="xs">
        <Button size="compact-sm" variant="subtle" onClick={() => add({ namespaces: {} })}>+ Add namespaces</Button>
        <Button size="compact-sm" variant="subtle" onClick={() => add({ pods: { namespaceSelector: {}, podSelector: {} } })}>+ Add pods</Button>
        {egress && <Button size="compact-sm" variant="subtle" onClick={() => add({ nodes: {} })}>+ Add nodes</Button>}
        {egress && <Button size="compact-sm" variant="subtle" onClick={() => add({ networks: ['10.0.0.0/24'] })}>+ Add networks</Button>}
        {egress && <Button size="compact-sm" variant="subtle" onClick={() => add({ domainNames: ['*.example.com'] })}>+ Add domain names</Button>}
      </Group>
    </Stack>
  );
}

function Peer({ path, value, name }: { path: Path; value: Fields; name: string }) {
  if (value.networks !== undefined) return <IsIsNot title="Networks" is={[...path, 'networks']} values={words(value.networks)} placeholder="10.0.0.0/24" />;
  if (value.domainNames !== undefined) return <IsIsNot title="Domain names" is={[...path, 'domainNames']} values={words(value.domainNames)} placeholder="*.example.com" />;
  if (value.nodes !== undefined) return <LabelSelector title="Nodes" path={[...path, 'nodes']} value={value.nodes} kind="nodes" none="every node" />;
  return <PodsOrNamespaces title={name} path={path} value={value} />;
}

const protocolNames = ['tcp', 'udp', 'sctp'] as const;

function Protocols({ path, protocols }: { path: Path; protocols: unknown[] }) {
  const { apply } = useForm();
  return (
    <Stack gap="xs">
      <Text size="sm" fw={500}>Protocols{protocols.length === 0 ? ': any' : ' any of'}</Text>
      {protocols.map((protocol, index) => <ProtocolRow key={index} path={path} index={index} value={fields(protocol)} count={protocols.length} />)}
      <Button size="compact-sm" variant="subtle" style={{ alignSelf: 'flex-start' }} onClick={() => apply((document) => insertItem(document, path, { tcp: { destinationPort: { number: 80 } } }))}>+ Add protocol</Button>
    </Stack>
  );
}

/** One protocol with a port, a range of ports or all of them; or a port by its name. */
function ProtocolRow({ path, index, value, count }: { path: Path; index: number; value: Fields; count: number }) {
  const { apply } = useForm();
  const at = [...path, index];
  const name = protocolNames.find((known) => value[known] !== undefined);
  const port = fields(name && fields(value[name]).destinationPort);
  const range = fields(port.range);
  const choose = (next: string) => apply((document) => document.setIn(at, document.createNode(next === 'named' ? { destinationNamedPort: 'http' } : { [next]: { destinationPort: { number: 80 } } })));
  const reach = (next: string) => {
    if (name === undefined) return;
    const start = number(port.number) ?? number(range.start) ?? 80;
    const ports = { all: {}, number: { destinationPort: { number: start } }, range: { destinationPort: { range: { start, end: start } } } }[next] ?? {};
    apply((document) => document.setIn([...at, name], document.createNode(ports)));
  };
  const shape = port.range !== undefined ? 'range' : port.number !== undefined ? 'number' : 'all';
  return (
    <Group gap="xs" align="flex-end">
      <NativeSelect label="Protocol" value={name ?? 'named'} data={[...protocolNames.map((known) => ({ value: known, label: known.toUpperCase() })), { value: 'named', label: 'Port by name' }]} onChange={(event) => choose(event.currentTarget.value)} />
      {name === undefined && <TextField label="Port name" path={[...at, 'destinationNamedPort']} value={text(value.destinationNamedPort)} />}
      {name !== undefined && <NativeSelect label="Ports" value={shape} data={[{ value: 'all', label: 'all' }, { value: 'number', label: 'one' }, { value: 'range', label: 'from … to' }]} onChange={(event) => reach(event.currentTarget.value)} />}
      {name !== undefined && shape === 'number' && <NumberField label="Port" required width={90} path={[...at, name, 'destinationPort', 'number']} value={word(port.number)} />}
      {name !== undefined && shape === 'range' && <NumberField label="From port" required width={90} path={[...at, name, 'destinationPort', 'range', 'start']} value={word(range.start)} />}
      {name !== undefined && shape === 'range' && <NumberField label="To port" required width={90} path={[...at, name, 'destinationPort', 'range', 'end']} value={word(range.end)} />}
      <ItemActions name={`protocol ${index + 1}`} path={path} index={index} count={count} />
    </Group>
  );
}
