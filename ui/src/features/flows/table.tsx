import { ActionIcon, Badge, Table, Text } from '@mantine/core';
import { memo, useLayoutEffect, useRef, useState } from 'react';
import { EndpointLink, PolicyLink } from '../../parts/names';
import { Verdict } from '../../parts/preview-changes';
import { FlowDetail } from './detail';
import { bytesText, deciding, endRef, portOf, reasonText, setOf, type Flow } from './words';
import { kept } from './place';

const headings = ['Time', 'Verdict', 'Source', 'Destination', 'Port', 'Why', 'Bytes'];

/** Flows, newest first. Who has scrolled down to one keeps it before the eyes while others come above it. */
export function FlowTable({ rows }: { rows: Flow[] }) {
  const table = useRef<HTMLDivElement>(null);
  const place = useRef<ReturnType<typeof kept>>(undefined);
  useLayoutEffect(() => {
    const element = table.current;
    if (!element) return;
    const was = place.current;
    const now = was && element.querySelector(`[data-flow="${was.id}"]`);
    if (was && now) window.scrollBy(0, now.getBoundingClientRect().top - was.top);
    place.current = undefined;
    // Before the next list is drawn, what is before the eyes now is taken note of.
    const note = () => {
      place.current = kept([...element.querySelectorAll('[data-flow]')].map((row) => ({ id: row.getAttribute('data-flow') ?? '', ...box(row) })), window.scrollY);
    };
    note();
    window.addEventListener('scroll', note, { passive: true });
    return () => window.removeEventListener('scroll', note);
  }, [rows]);
  return (
    <div className="scroll" ref={table} tabIndex={0} role="region" aria-label="Flows">
      <Table withTableBorder verticalSpacing={4}>
        <Table.Thead><Table.Tr><Table.Th scope="col"><span className="visually-hidden">Details</span></Table.Th>{headings.map((one) => <Table.Th key={one} scope="col">{one}</Table.Th>)}</Table.Tr></Table.Thead>
        <Table.Tbody>{rows.map((flow) => <Row key={flow.id} flow={flow} />)}</Table.Tbody>
      </Table>
    </div>
  );
}

function box(element: Element): { top: number; bottom: number } {
  const { top, bottom } = element.getBoundingClientRect();
  return { top, bottom };
}

const Row = memo(function Row({ flow }: { flow: Flow }) {
  const [open, setOpen] = useState(false);
  const newly = flow.pending && flow.pending.verdict !== flow.verdict;
  return (
    <>
      <Table.Tr data-flow={flow.id} data-event={flow.logged ? 'log' : 'connection'}>
        <Table.Td><ActionIcon variant="subtle" color="gray" c="inherit" size={24} aria-expanded={open} aria-label={`Details of ${endRef(flow.source)} to ${endRef(flow.destination)} ${portOf(flow)}`} onClick={() => setOpen(!open)}>{open ? '▾' : '▸'}</ActionIcon></Table.Td>
        <Table.Td style={{ whiteSpace: 'nowrap' }}><time dateTime={flow.last} title={flow.last}>{clock(flow.last)}</time></Table.Td>
        <Table.Td style={{ whiteSpace: 'nowrap' }}>{flow.logged ? <Badge radius="sm" miw="max-content" variant="outline" color="gray" c="inherit">≡ logged</Badge> : <Verdict verdict={flow.verdict} />}{flow.connections > 1 && <Text span size="sm"> ×{flow.connections.toLocaleString('en')}</Text>}</Table.Td>
        <Table.Td><EndName end={flow.source} /></Table.Td>
        <Table.Td><EndName end={flow.destination} /></Table.Td>
        <Table.Td style={{ whiteSpace: 'nowrap' }}>{portOf(flow)}</Table.Td>
        <Table.Td><Why flow={flow} />{newly && <> <Badge size="sm" radius="sm" variant="outline" color="grape" c="inherit">staged would {flow.pending?.verdict}</Badge></>}</Table.Td>
        <Table.Td style={{ whiteSpace: 'nowrap' }}>{amount(flow)}</Table.Td>
      </Table.Tr>
      {open && <Table.Tr><Table.Td /><Table.Td colSpan={headings.length}><FlowDetail flow={flow} /></Table.Td></Table.Tr>}
    </>
  );
});

function EndName({ end }: { end: Flow['source'] }) {
  const set = setOf(end);
  return end.kind === 'pod' || end.kind === 'host' ? <EndpointLink of={endRef(end)} /> : <>{endRef(end)}{set && <Text span size="sm" c="dimmed"> ({set})</Text>}</>;
}

/** Packets of what was logged; bytes of what was allowed, if they are counted. */
function amount(flow: Flow): string {
  if (flow.logged) return `${flow.logged.packets.toLocaleString('en')} ${flow.logged.packets === 1 ? 'packet' : 'packets'}`;
  if (flow.verdict !== 'allow') return '';
  const bytes = flow.out.bytes + flow.in.bytes;
  return bytes > 0 ? bytesText(bytes) : '–';
}

function Why({ flow }: { flow: Flow }) {
  if (flow.logged) {
    const { direction, policy, profile, rule, tier, prefix } = flow.logged;
    return <>{direction && `${direction}: `}rule {rule} of {policy ? <><PolicyLink id={policy} /> in tier {tier}</> : `profile ${profile}`}, prefix <code>{prefix}</code></>;
  }
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
