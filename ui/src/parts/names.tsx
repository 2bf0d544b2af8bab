import { Anchor, Group, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { isInternal, parseId, routeParams, shortName } from '../api/names';

const kinds: Record<string, string> = {
  NetworkPolicy: 'namespaced', GlobalNetworkPolicy: 'global', KubernetesNetworkPolicy: 'Kubernetes', ClusterNetworkPolicy: 'cluster (Kubernetes)',
  StagedNetworkPolicy: 'staged', StagedGlobalNetworkPolicy: 'staged, global', StagedKubernetesNetworkPolicy: 'staged, Kubernetes',
};

/** What kind of policy a staged one becomes, in a word. */
export function enforcedKindWord(kind: string): string {
  return kindWord(kind.replace(/^Staged/, ''));
}

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

/** Labels as text: what is in them is never markup. What the system gives to everything is folded away. */
export function LabelList({ labels }: { labels: Record<string, string> }) {
  const all = Object.entries(labels);
  const written = all.filter(([key]) => !isInternal(key));
  const internal = all.filter(([key]) => isInternal(key));
  return (
    <Group gap={4}>
      {written.map(([key, value]) => <LabelBadge key={key} name={key} value={value} />)}
      {written.length === 0 && <Text span size="sm" c="dimmed">no labels of its own</Text>}
      {internal.length > 0 && <details className="folded"><summary aria-label={`${internal.length} labels that the system gives`} title="labels that the system gives">+{internal.length}</summary><Group gap={4}>{internal.map(([key, value]) => <LabelBadge key={key} name={key} value={value} />)}</Group></details>}
    </Group>
  );
}

function LabelBadge({ name, value }: { name: string; value: string }) {
  return <span className="label" title={`${name}: ${value}`}>{name}: {value}</span>;
}
