import { Badge, Group, Table, Text, Title } from '@mantine/core';
import type { Schemas } from '../api/client';
import { deciding, endRef, portOf, reasonText, type Flow } from '../features/flows/words';
import { EndpointLink } from './names';

/** Recorded flows that would be decided otherwise, by groups of equal ends. */
export function FlowChanges({ title, changes, none }: { title: string; changes: Schemas['StagedChange'][]; none: string }) {
  return (
    <section>
      <Group gap="xs" mb={4}><Title order={2} size="h5">{title}</Title><Badge variant="outline" color="gray" c="inherit">{changes.length}</Badge></Group>
      {changes.length === 0 ? <Text size="sm" c="dimmed">{none}</Text>
        : <div className="scroll" tabIndex={0} role="region" aria-label={title}>
          <Table withTableBorder verticalSpacing={6}>
            <Table.Thead><Table.Tr>{['From', 'To', 'Port', 'Connections', 'Last', 'Now', 'Then', 'Evidence'].map((one) => <Table.Th key={one} scope="col">{one}</Table.Th>)}</Table.Tr></Table.Thead>
            <Table.Tbody>{changes.map((change) => <Table.Tr key={`${change.source} ${change.destination} ${portOf(change)}`}>
              <Table.Td>{change.source}</Table.Td><Table.Td>{change.destination}</Table.Td><Table.Td>{portOf(change)}</Table.Td>
              <Table.Td>{change.connections.toLocaleString('en')}</Table.Td><Table.Td><time dateTime={change.last}>{new Date(change.last).toLocaleString('en-GB')}</time></Table.Td>
              <Table.Td>{decisionText(change, change.before)}</Table.Td><Table.Td>{decisionText(change, change.after)}</Table.Td>
              <Table.Td><Evidence change={change} /></Table.Td>
            </Table.Tr>)}</Table.Tbody>
          </Table>
        </div>}
    </section>
  );
}

/** Some of the flows that a change is about. */
function Evidence({ change }: { change: Schemas['StagedChange'] }) {
  if (change.flows.length === 0) return <>none is kept</>;
  return (
    <details>
      <summary className="nowrap">{change.flows.length === 1 ? 'a flow' : `${change.flows.length} flows`}</summary>
      <ul className="trace">{change.flows.map((flow, at) => <li key={flow.id ?? at} className="nowrap"><time dateTime={flow.last}>{new Date(flow.last).toLocaleString('en-GB')}</time> <EndName of={flow.source} /> → <EndName of={flow.destination} /> {portOf(flow)}{flow.connections > 1 && ` ×${flow.connections.toLocaleString('en')}`}, told by {flow.node}</li>)}</ul>
    </details>
  );
}

function EndName({ of }: { of: Flow['source'] }) {
  return of.kind === 'pod' || of.kind === 'host' ? <EndpointLink of={endRef(of)} /> : <>{endRef(of)}</>;
}

/** Which end a change is at is what its flows say: the one that this decision is of. */
function decisionText(change: Schemas['StagedChange'], decision: Schemas['FlowDecision']): string {
  const [flow] = change.flows;
  const direction = flow?.egress?.endpoint !== undefined && flow.egress.endpoint === decision.endpoint ? 'egress' : 'ingress';
  return `${decision.verdict}, ${reasonText(deciding({ [direction]: decision } as never))}`;
}
