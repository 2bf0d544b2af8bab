/** What of the cluster a policy or a rule takes in, as the server said, arranged for the picture. */
import type { Cluster, Matches } from '../api';

/** What stands in the picture, whatever is taken in. */
export interface Item {
  key: string;
  label: string;
  kind: 'pods' | 'host' | 'set';
  count: number;
  /** Its members, as the server names them; of a large group the first ones. */
  refs: string[];
}

export interface Box {
  title: string;
  items: Item[];
  /** The namespace that it is of, if it is of one. */
  namespace?: string;
}

/** How many of something are taken in; undefined: the server has not said, or its list was cut before this. */
export type Taken = number | undefined;

/** The boxes of the picture: hosts and global sets first, as in the tutorial, then one per namespace. */
export function arrange(cluster: Cluster): Box[] {
  const set = (item: Cluster['networkSets'][number]): Item => {
    const ref = item.kind === 'GlobalNetworkSet' ? `globalnetworkset:${item.name}` : `networkset:${item.namespace ?? ''}/${item.name}`;
    return { key: ref, label: item.name, kind: 'set', count: 1, refs: [ref] };
  };
  const hosts = cluster.hostEndpoints.map((row): Item => ({ key: row.ref, label: row.ref.replace(/^hep:/, ''), kind: 'host', count: 1, refs: [row.ref] }));
  const pods = podsOf(cluster);
  const sets = new Map<string | undefined, Item[]>();
  for (const item of cluster.networkSets) {
    const namespace = item.kind === 'NetworkSet' ? item.namespace : undefined;
    sets.set(namespace, [...(sets.get(namespace) ?? []), set(item)]);
  }
  return [
    { title: 'Host endpoints', items: hosts },
    { title: 'Global network sets', items: sets.get(undefined) ?? [] },
    ...cluster.namespaces.map(({ name }): Box => ({ title: name, namespace: name, items: [...(pods.get(name) ?? []), ...(sets.get(name) ?? [])] })),
  ].filter((box) => box.items.length > 0);
}

/** The picture of a policy has no nodes: groups of pods that differ only in theirs are one. */
function podsOf(cluster: Cluster): Map<string, Item[]> {
  const namespaces = new Map<string, Map<string, Item>>();
  for (const group of cluster.pods) {
    const label = labelText(group.labels);
    const account = group.serviceAccount === 'default' ? '' : group.serviceAccount;
    const key = `${label}\n${account}`;
    const all = namespaces.get(group.namespace) ?? new Map<string, Item>();
    namespaces.set(group.namespace, all);
    const known = all.get(key) ?? { key, label: account ? `${label} · runs as ${account}` : label, kind: 'pods', count: 0, refs: [] };
    known.count += group.count;
    known.refs.push(...group.refs);
    all.set(key, known);
  }
  return new Map([...namespaces].map(([name, all]) => [name, [...all.values()]]));
}

/** Counts what of an item is taken in. */
export function marker(matches: Matches | undefined): (item: Item) => Taken {
  const refs = new Set(matches?.refs);
  const cut = matches !== undefined && matches.count > matches.refs.length;
  return ({ refs: members, count }) => {
    if (!matches) return undefined;
    if (matches.anything) return count;
    const found = members.filter((ref) => refs.has(ref)).length;
    if (cut && found < members.length) return undefined;
    // Of a large group only the first members are told; all of those taken is all.
    return found === members.length ? count : found;
  };
}

/** What of a whole box is taken in. */
export function takenOf(box: Box, take: (item: Item) => Taken, matches: Matches | undefined): Taken {
  let sum = 0;
  let known = true;
  for (const item of box.items) {
    const taken = take(item);
    if (taken === undefined) known = false;
    else sum += taken;
  }
  if (known) return sum;
  // Of a long list the server says how many pods of each namespace are in it; sets are told by it or are not.
  if (matches?.pods === undefined || box.namespace === undefined) return undefined;
  const sets = box.items.filter((item) => item.kind === 'set').map(take);
  return sets.includes(undefined) ? undefined : (matches.pods[box.namespace] ?? 0) + sets.reduce<number>((all, one) => all + (one ?? 0), 0);
}

/** How many things are in a box. */
export function sizeOf(box: Box): number {
  return box.items.reduce((sum, item) => sum + item.count, 0);
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
