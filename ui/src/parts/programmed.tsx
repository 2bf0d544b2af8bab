import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { Schemas } from '../api/client';

/** On how many nodes a policy is enforced as it is now; nothing where the server does not say it. */
export function Programmed({ of }: { of: Schemas['Programmed'] | undefined }) {
  if (!of) return null;
  const words = !of.current ? 'nodes have not told of this version yet' : of.reason === 'SelectsNothing' ? 'on no node: it selects nothing' : of.message;
  return <Text size="xs" component="span">{of.current && of.done ? '✓' : '⚠'} <Link to="/nodes" style={{ color: 'inherit' }} title="Nodes">{words}</Link></Text>;
}
