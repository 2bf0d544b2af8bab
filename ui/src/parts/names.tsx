import { Anchor, Badge, Group, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { parseId, routeParams, shortName } from '../api/names';

const kinds: Record<string, string> = {
  NetworkPolicy: 'namespaced', GlobalNetworkPolicy: 'global', KubernetesNetworkPolicy: 'Kubernetes', ClusterNetworkPolicy: 'cluster (Kubernetes)',
  StagedNetworkPolicy: 'staged', StagedGlobalNetworkPolicy: 'staged, global', StagedKubernetesNetworkPolicy: 'staged, Kubernetes',
};

/** What kind of policy, in a word. */
export function kindWord(kind: string): string {
  return kinds[kind] ?? kind;
}

export function PolicyLink({ id, children }: { id: string; children?: string }) {
  const { kind } = parseId(id);
  if (!(kind in kinds)) return <Text span>{id}</Text>;
  return <Anchor inherit component={Link} to={'/policies/$kind/$namespace/$name/edit' as string} params={routeParams(id) as never} title={id}>{children ?? shortName(id)}</Anchor>;
}

export function EndpointLink({ of }: { of: string }) {
  return <Anchor inherit component={Link} to={'/endpoint' as string} search={{ ref: of } as never}>{of}</Anchor>;
}

/** Labels as text: what is in them is never markup. */
export function LabelList({ labels }: { labels: Record<string, string> }) {
  const all = Object.entries(labels);
  if (all.length === 0) return <Text span size="sm" c="dimmed">no labels</Text>;
  return <Group gap={4}>{all.map(([key, value]) => <Badge key={key} radius="sm" fw={400} maw={260} title={`${key}: ${value}`}>{key}: {value}</Badge>)}</Group>;
}
