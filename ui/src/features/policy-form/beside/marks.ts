/** What of the cluster a policy or a rule takes in, as the server said, arranged for the picture. */
import type { Cluster, Matches } from '../api';

/** An item of the picture, with how many of its members are taken in. */
export interface Marked {
  key: string;
  label: string;
  kind: 'pods' | 'host' | 'set';
  count: number;
  /** Undefined: the server has not said, or its list was cut before this. */
  taken: number | undefined;
}

export interface Box {
  title: string;
  items: Marked[];
}

/** The boxes of the picture: hosts and global sets first, as in the tutorial, then one per namespace. */
export function boxes(cluster: Cluster, matches: Matches | undefined): Box[] {
  const refs = new Set(matches?.refs);
  const cut = matches !== undefined && matches.count > matches.refs.length;
  const taken = (members: string[]) => {
    if (!matches) return undefined;
    if (matches.anything) return members.length;
    const found = members.filter((ref) => refs.has(ref)).length;
    return cut && found < members.length ? undefined : found;
  };
  const set = (item: Cluster['networkSets'][number]): Marked => {
    const ref = item.kind === 'GlobalNetworkSet' ? `globalnetworkset:${item.name}` : `networkset:${item.namespace ?? ''}/${item.name}`;
    return { key: ref, label: item.name, kind: 'set', count: 1, taken: taken([ref]) };
  };
  const hosts = cluster.hostEndpoints.map((row): Marked => ({ key: row.ref, label: row.ref.replace(/^hep:/, ''), kind: 'host', count: 1, taken: taken([row.ref]) }));
  const global: Box[] = [
    { title: 'Host endpoints', items: hosts },
    { title: 'Global network sets', items: cluster.networkSets.filter((item) => item.kind === 'GlobalNetworkSet').map(set) },
  ];
  const namespaces = cluster.namespaces.map((namespace): Box => ({
    title: namespace.name,
    items: [...pods(cluster, namespace.name, taken), ...cluster.networkSets.filter((item) => item.kind === 'NetworkSet' && item.namespace === namespace.name).map(set)],
  }));
  return [...global, ...namespaces].filter((box) => box.items.length > 0);
}

/** The picture of a policy has no nodes: groups of pods that differ only in theirs are one. */
function pods(cluster: Cluster, namespace: string, taken: (refs: string[]) => number | undefined): Marked[] {
  const groups = new Map<string, { label: string; count: number; refs: string[] }>();
  for (const group of cluster.pods) {
    if (group.namespace !== namespace) continue;
    const label = labelText(group.labels);
    const account = group.serviceAccount === 'default' ? '' : group.serviceAccount;
    const key = `${label}\n${account}`;
    const known = groups.get(key) ?? { label: account ? `${label} · runs as ${account}` : label, count: 0, refs: [] };
    known.count += group.count;
    known.refs.push(...group.refs);
    groups.set(key, known);
  }
  return [...groups].map(([key, { label, count, refs }]) => {
    const found = taken(refs);
    // Of a large group only the first members are told; all of those taken is all.
    const all = found !== undefined && found === refs.length;
    return { key, label, kind: 'pods', count, taken: found === undefined ? undefined : all ? count : found };
  });
}

function labelText(labels: Record<string, string>): string {
  // What the system gives every pod says nothing about this one.
  const pairs = Object.entries(labels).filter(([key]) => !key.startsWith('projectcalico.org/')).map(([key, value]) => `${key}: ${value}`);
  return pairs.length > 0 ? pairs.join(', ') : 'no labels';
}

/** The numbers in words. */
export function countWords(matches: Matches): string {
  if (matches.anything) return 'anything, in the cluster or outside';
  const of = (test: (ref: string) => boolean) => matches.refs.filter(test).length;
  if (matches.count > matches.refs.length) return `${matches.count} endpoints and network sets`;
  const sets = of((ref) => ref.includes('networkset:'));
  const hosts = of((ref) => ref.startsWith('hep:'));
  const parts = [plural(matches.count - sets - hosts, 'pod'), plural(hosts, 'host endpoint'), plural(sets, 'network set')].filter((part) => !part.startsWith('0 '));
  return parts.length > 0 ? parts.join(', ') : 'nothing that is there now';
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
