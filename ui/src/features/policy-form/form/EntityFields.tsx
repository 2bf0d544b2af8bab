import { Radio, Group, Stack, Text, Fieldset, Accordion } from '@mantine/core';
import { useState } from 'react';
import type { Path } from '../document/edit';
import { hasPorts, set, type Direction, type Entity, type Rule } from '../document/policy';
import { IsIsNot, parsePort, TextField } from './fields';
import { useForm } from './context';
import { SelectorField } from './SelectorField';

interface EntityProps {
  side: 'source' | 'destination';
  direction: Direction;
  path: Path;
  rule: Rule;
  /** The policy's namespace; none for a global policy. */
  namespace: string | undefined;
}

/** From or To: ports first on the side where people look for them, then who the peer is. */
export function EntityFields(props: EntityProps) {
  const { side, direction, rule, path } = props;
  const entity = rule[side];
  const peer = (side === 'source') === (direction === 'ingress');
  const ports = hasPorts(rule.protocol) && (
    <IsIsNot title={side === 'source' ? 'Source ports' : 'Ports'} is={[...path, 'ports']} isNot={[...path, 'notPorts']} values={entity.ports} notValues={entity.notPorts} parse={parsePort} placeholder="80, 8000:8080 or a name" />
  );
  return (
    <Fieldset legend={side === 'source' ? 'From' : 'To'} p="sm">
      <Stack gap="md">
        {side === 'destination' && ports}
        {peer ? <Peer {...props} /> : <OwnSide {...props} />}
        {side === 'source' && (
          <More title="Source ports" open={entity.ports.length + entity.notPorts.length > 0}>
            {ports}
          </More>
        )}
      </Stack>
    </Fieldset>
  );
}

/** The policy's own endpoints are on this side, so narrowing it further is rare. */
function OwnSide(props: EntityProps) {
  const { side, path } = props;
  const entity = props.rule[side];
  return (
    <>
      <Text size="sm" c="dimmed">
        The endpoints that the policy applies to.
      </Text>
      <More title={`Narrow ${side === 'source' ? 'From' : 'To'} further`} open={entity.selector !== '' || entity.nets.length + entity.notNets.length > 0}>
        <SelectorField title={`Endpoint selector (${side})`} path={[...path, 'selector']} value={entity.selector} none="none: all that the policy applies to" />
        <IsIsNot title={`Nets (${side})`} is={[...path, 'nets']} isNot={[...path, 'notNets']} values={entity.nets} notValues={entity.notNets} placeholder="10.0.0.0/24" />
      </More>
    </>
  );
}

function Peer(props: EntityProps) {
  const { side, direction, path, rule, namespace } = props;
  const entity = rule[side];
  const matchAll = namespace === undefined ? 'All endpoints: pods, host endpoints and network sets. Not what is outside and in no set.' : 'All endpoints and network sets of the namespaces that the rule looks in.';
  return (
    <>
      <SelectorField title="Endpoint selector" path={[...path, 'selector']} value={entity.selector} none="none: anything, also what is outside the cluster" matchAll={matchAll} />
      <NamespaceSelector path={path} entity={entity} namespace={namespace} />
      <IsIsNot title="Nets" is={[...path, 'nets']} isNot={[...path, 'notNets']} values={entity.nets} notValues={entity.notNets} placeholder="10.0.0.0/24" description="Addresses in CIDR notation" />
      <Accounts path={path} entity={entity} />
      <More title="Exclude, services, domains" open={entity.notSelector !== '' || entity.serviceName !== '' || entity.domains.length > 0}>
        <SelectorField title="Endpoint selector: is not" path={[...path, 'notSelector']} value={entity.notSelector} none="none: nothing is excluded" />
        <TextField label="Service" path={[...path, 'services', 'name']} value={entity.serviceName} description="Its endpoints, and their ports in an egress rule" />
        {entity.serviceName !== '' && (
          <TextField label="Service namespace" path={[...path, 'services', 'namespace']} value={entity.serviceNamespace} description={namespace === undefined ? 'needed in a global policy' : `empty: ${namespace}`} />
        )}
        {direction === 'egress' && <IsIsNot title="Domains" is={[...path, 'domains']} values={entity.domains} placeholder="*.example.com" description="In an Allow rule without nets and selectors" />}
      </More>
    </>
  );
}

/** A part that is closed as long as nothing in it says anything. Its fields are made when it is opened: most never are. */
export function More({ title, open, children }: { title: string; open: boolean; children: React.ReactNode }) {
  const [made, setMade] = useState(open);
  return (
    <Accordion variant="contained" defaultValue={open ? 'more' : null} order={5} onChange={() => setMade(true)}>
      <Accordion.Item value="more">
        <Accordion.Control>{title}</Accordion.Control>
        <Accordion.Panel>
          {made && <Stack gap="md">{children}</Stack>}
        </Accordion.Panel>
      </Accordion.Item>
    </Accordion>
  );
}

type Reach = 'namespaced' | 'all' | 'global';

/** Namespaced, Match all, Global: the three things that a namespace selector can be, as an explicit choice. */
function NamespaceSelector({ path, entity, namespace }: { path: Path; entity: Entity; namespace: string | undefined }) {
  const { apply } = useForm();
  const field = [...path, 'namespaceSelector'];
  const value = entity.namespaceSelector;
  const reach: Reach = /^\s*global\(\s*\)\s*$/.test(value) ? 'global' : /^\s*all\(\s*\)\s*$/.test(value) ? 'all' : 'namespaced';
  const texts: Record<Reach, string> = { namespaced: '', all: 'all()', global: 'global()' };
  const own = namespace === undefined ? 'none: any namespace, and what is in none' : `none: the policy's namespace, ${namespace}`;
  return (
    <Stack gap={6}>
      <Radio.Group label="Namespace selector" value={reach} onChange={(next) => apply(set(field, texts[next as Reach]))}>
        <Group gap="md" mt={4}>
          <Radio value="namespaced" label="Namespaced" />
          <Radio value="all" label="Match all" />
          <Radio value="global" label="Global" />
        </Group>
      </Radio.Group>
      {reach === 'namespaced' && <SelectorField title="Namespaces" path={field} value={value} of="namespaces" none={own} add="Add namespace selector" />}
      {reach === 'all' && <Text size="sm">Every namespace: pods and network sets, and nothing that is in no namespace.</Text>}
      {reach === 'global' && <Text size="sm">Only what is in no namespace: host endpoints and global network sets. No pods.</Text>}
    </Stack>
  );
}

function Accounts({ path, entity }: { path: Path; entity: Entity }) {
  const { namespaces } = useForm();
  const names = [...new Set(namespaces.flatMap((ns) => ns.serviceAccounts.map((account) => account.name)))];
  return (
    <Fieldset legend="Service accounts" p="sm">
      <Stack gap="sm">
        <IsIsNot title="Names" is={[...path, 'serviceAccounts', 'names']} values={entity.serviceAccountNames} placeholder="Add name" data={names} />
        <SelectorField title="Service account selector" path={[...path, 'serviceAccounts', 'selector']} value={entity.serviceAccountSelector} of="serviceaccounts" none="none: any account" matchAll="Pods of any service account" />
      </Stack>
    </Fieldset>
  );
}
