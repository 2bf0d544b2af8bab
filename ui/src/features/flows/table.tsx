import { ActionIcon, Badge, Table, Text } from '@mantine/core';
import { memo, useState } from 'react';
import { EndpointLink, PolicyLink } from '../../parts/names';
import { Verdict } from '../../parts/preview-changes';
import { FlowDetail } from './detail';
import { bytesText, deciding, endRef, portOf, reasonText, setOf, type Flow } from './words';

const headings = ['Time', 'Verdict', 'Source', 'Destination', 'Port', 'Why', 'Bytes'];

export function FlowTable({ rows }: { rows: Flow[] }) {
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Flows">
      <Table withTableBorder verticalSpacing={4}>
        <Table.Thead><Table.Tr><Table.Th scope="col"><span className="visually-hidden">Details</span></Table.Th>{headings.map((one) => <Table.Th key={one} scope="col">{one}</Table.Th>)}</Table.Tr></Table.Thead>
        <Table.Tbody>{rows.map((flow) => <Row key={flow.id} flow={flow} />)}</Table.Tbody>
      </Table>
    </div>
  );
}

const Row = memo(function Row({ flow }: { flow: Flow }) {
  const [open, setOpen] = useState(false);
  const newly = flow.pending && flow.pending.verdict !== flow.verdict;
  return (
    <>
      <Table.Tr>
        <Table.Td><ActionIcon variant="subtle" color="gray" c="inherit" size={24} aria-expanded={open} aria-label={`Details of ${endRef(flow.source)} to ${endRef(flow.destination)} ${portOf(flow)}`} onClick={() => setOpen(!open)}>{open ? '▾' : '▸'}</ActionIcon></Table.Td>
        <Table.Td style={{ whiteSpace: 'nowrap' }}><time dateTime={flow.last} title={flow.last}>{clock(flow.last)}</time></Table.Td>
        <Table.Td style={{ whiteSpace: 'nowrap' }}><Verdict verdict={flow.verdict} />{flow.connections > 1 && <Text span size="sm"> ×{flow.connections.toLocaleString('en')}</Text>}</Table.Td>
        <Table.Td><EndName end={flow.source} /></Table.Td>
        <Table.Td><EndName end={flow.destination} /></Table.Td>
        <Table.Td style={{ whiteSpace: 'nowrap' }}>{portOf(flow)}</Table.Td>
        <Table.Td><Why flow={flow} />{newly && <> <Badge size="sm" radius="sm" variant="outline" color="grape" c="inherit">staged would {flow.pending?.verdict}</Badge></>}</Table.Td>
        <Table.Td style={{ whiteSpace: 'nowrap' }}>{flow.verdict === 'allow' ? bytesText(flow.out.bytes + flow.in.bytes) : ''}</Table.Td>
      </Table.Tr>
      {open && <Table.Tr><Table.Td /><Table.Td colSpan={headings.length}><FlowDetail flow={flow} /></Table.Td></Table.Tr>}
    </>
  );
});

function EndName({ end }: { end: Flow['source'] }) {
  const set = setOf(end);
  return end.kind === 'pod' || end.kind === 'host' ? <EndpointLink of={endRef(end)} /> : <>{endRef(end)}{set && <Text span size="sm" c="dimmed"> ({set})</Text>}</>;
}

function Why({ flow }: { flow: Flow }) {
  const by = deciding(flow);
  if (!by?.decision.policy) return <>{reasonText(by)}</>;
  const { policy, rule, tier } = by.decision;
  return <>{by.direction}: rule {rule} of <PolicyLink id={policy} /> in tier {tier}</>;
}

function clock(time: string): string {
  const at = new Date(time);
  const today = new Date().toDateString() === at.toDateString();
  const clockTime = `${at.toLocaleTimeString('en-GB')}.${String(at.getMilliseconds()).padStart(3, '0')}`;
  return today ? clockTime : `${at.toLocaleDateString('en-CA')} ${clockTime}`;
}
