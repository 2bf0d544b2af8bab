import { Badge, Table, Text } from '@mantine/core';
import type { Schemas } from '../api/client';
import { PolicyLink } from './names';
import { Empty } from './query-view';

/** Which connections a change would newly allow or deny. */
export function PreviewChanges({ preview }: { preview: Schemas['Preview'] }) {
  const groups = new Map(preview.groups.map((group) => [group.id, group]));
  const title = (id: string) => groups.get(id)?.title ?? id;
  if (preview.total === 0) return <Empty title="No connection changes">Every pair of endpoints, and every address, keeps its verdict on every port.</Empty>;
  return (
    <>
      <Text size="sm"><b>Simulated:</b> newly allowed between {preview.allowed} pairs of groups, newly denied between {preview.denied}.{preview.changes.length < preview.total ? ` Showing ${preview.changes.length} of ${preview.total}.` : ''}</Text>
      <div className="scroll" tabIndex={0} role="region" aria-label="What changes">
        <Table withTableBorder>
          <Table.Thead><Table.Tr>{['From', 'To', 'Ports', 'Then', 'Because'].map((word) => <Table.Th key={word} scope="col">{word}</Table.Th>)}</Table.Tr></Table.Thead>
          <Table.Tbody>{preview.changes.flatMap((change, at) => change.ports.map((port, index) => <Table.Tr key={`${at}-${index}`}>
            <Table.Td>{title(change.from)}</Table.Td><Table.Td>{title(change.to)}</Table.Td><Table.Td>{port.ports}</Table.Td><Table.Td><Verdict verdict={change.verdict} /></Table.Td>
            <Table.Td>{port.because} {port.policy && <PolicyLink id={port.policy} />}</Table.Td>
          </Table.Tr>))}</Table.Tbody>
        </Table>
      </div>
    </>
  );
}

/** Allow or deny: by sign and word, and by colour beside them. */
export function Verdict({ verdict }: { verdict: 'allow' | 'deny' }) {
  return <Badge radius="sm" miw="max-content" variant="outline" color={verdict === 'allow' ? 'green' : 'red'} c="inherit">{verdict === 'allow' ? '✓ allow' : '✕ deny'}</Badge>;
}
