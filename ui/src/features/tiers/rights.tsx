import { List } from '@mantine/core';
import type { Schemas } from '../../api/client';
import { kindWord } from '../../parts/names';

/** What somebody may do in a tier, in a line, and each right when it is opened. */
export function Rights({ access }: { access: Schemas['TierAccess'] }) {
  const write = access.rights.filter((right) => right.verb === 'create' && (right.everywhere || right.namespaces.length > 0));
  const words = !access.get ? 'nothing: that needs get on the tier' : access.rights.length > 0 && access.rights.every((right) => right.everywhere) ? 'everything' : write.length === 0 ? 'read' : `create policies: ${write.map((right) => `${kindWord(right.kind)}${right.everywhere ? '' : ` in ${right.namespaces.join(', ')}`}`).join('; ')}`;
  return (
    <details>
      <summary>{words}</summary>
      <List size="sm">{access.rights.map((right) => <List.Item key={`${right.kind}/${right.verb}`}>{right.everywhere ? '✓' : right.namespaces.length ? '◐' : '✕'} {right.verb} {right.kind}{right.everywhere ? '' : right.namespaces.length ? ` in ${right.namespaces.join(', ')}` : `: needs ${right.missing}`}</List.Item>)}</List>
    </details>
  );
}
