import { Button, Text } from '@mantine/core';
import { getRouteApi, Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Schemas } from '../../api/client';
import { isInternal } from '../../api/names';

type Cluster = Schemas['Cluster'];
const route = getRouteApi('/app/');

/** Above this many pods, or groups of them, namespaces are closed until somebody opens them. */
const many = { pods: 200, groups: 150 };

/** How many machines outside are shown: the cell is as high as all rows, and must not make them high. */
const mostOutside = 12;

/** The cluster as the tutorial draws it: nodes across, namespaces down, sets and machines outside at the side. */
export function ClusterPicture({ cluster }: { cluster: Cluster }) {
  const { open } = route.useSearch();
  const navigate = route.useNavigate();
  const collapsible = cluster.counts.pods > many.pods || cluster.pods.length > many.groups;
  const toggle = (name: string) => {
    const now = open ?? [];
    const next = now.includes(name) ? now.filter((one) => one !== name) : [...now, name];
    void navigate({ search: (was) => ({ ...was, open: next.length ? next : undefined }), replace: true });
  };
  const cells = groupByCell(cluster.pods);
  // A namespace with nothing in it takes no row: its name below the picture says enough.
  const rows = cluster.namespaces.filter((namespace) => namespace.pods > 0 || cluster.networkSets.some((set) => set.namespace === namespace.name));
  const empty = cluster.namespaces.filter((namespace) => !rows.includes(namespace));
  const unplaced = cluster.pods.some((group) => !cluster.nodes.some((node) => node.name === group.node));
  const nodes = [...cluster.nodes.map((node) => node.name), ...(unplaced ? [''] : [])];
  const globals = cluster.networkSets.filter((set) => set.kind === 'GlobalNetworkSet');
  const outside = (
    <td rowSpan={Math.max(1, rows.length)}>
      {globals.map((set) => <SetChip key={set.name} set={set} />)}
      {cluster.externals.slice(0, mostOutside).map((one) => <span key={one.net} className="set" title={`in ${one.sets.join(', ')}`}><span aria-hidden>▤ </span>{one.net}</span>)}
      {cluster.externals.length > mostOutside && <Text size="xs"><Link to="/networksets">and {(cluster.externals.length - mostOutside).toLocaleString('en')} more</Link></Text>}
      {globals.length + cluster.externals.length === 0 && <Text size="xs" c="dimmed">no global network sets, no machines outside that a set names</Text>}
    </td>
  );
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Picture of the cluster">
      <table className="picture">
        <thead>
          <tr>
            <th scope="col">Namespace</th>
            {nodes.map((node) => <th key={node} scope="col">
              {node ? <Link to="/endpoints" search={{ node }}>{node}</Link> : 'not on a node yet'}
              {cluster.hostEndpoints.filter((host) => host.node === node).map((host) => <HostChip key={host.ref} host={host} />)}
            </th>)}
            <th scope="col">Outside</th>
          </tr>
        </thead>
        <tbody>
          {rows.length === 0 && <tr><td colSpan={nodes.length + 1} aria-label="nothing" />{outside}</tr>}
          {rows.map((namespace, at) => <NamespaceRow outside={at === 0 ? outside : undefined} key={namespace.name} namespace={namespace} nodes={nodes} cells={cells} sets={cluster.networkSets.filter((set) => set.namespace === namespace.name)}
            closed={collapsible && !open?.includes(namespace.name)} onToggle={collapsible ? () => toggle(namespace.name) : undefined} />)}
        </tbody>
      </table>
      {empty.length > 0 && <Text size="sm" c="dimmed" p="xs">Without pods and network sets: {empty.slice(0, 20).map((namespace, at) => <span key={namespace.name}>{at > 0 && ', '}<Link to="/namespaces" search={{ q: namespace.name }}>{namespace.name}</Link></span>)}{empty.length > 20 && ` and ${empty.length - 20} more namespaces`}.</Text>}
    </div>
  );
}

function groupByCell(groups: Schemas['PodGroup'][]): Map<string, Schemas['PodGroup'][]> {
  const cells = new Map<string, Schemas['PodGroup'][]>();
  for (const group of groups) {
    const key = `${group.namespace}/${group.node}`;
    cells.set(key, [...(cells.get(key) ?? []), group]);
  }
  return cells;
}

interface RowProps {
  namespace: Schemas['ClusterNamespace'];
  nodes: string[];
  cells: Map<string, Schemas['PodGroup'][]>;
  sets: Schemas['NetworkSet'][];
  closed: boolean;
  onToggle: (() => void) | undefined;
  /** What is outside the cluster: a cell beside all rows, which the first one holds. */
  outside: ReactNode;
}

function NamespaceRow({ namespace, nodes, cells, sets, closed, onToggle, outside }: RowProps) {
  return (
    <tr>
      <th scope="row">
        <Link to="/endpoints" search={{ namespace: [namespace.name] }}>{namespace.name}</Link>
        <Text size="xs" fw={400}>{namespace.pods.toLocaleString('en')} {namespace.pods === 1 ? 'pod' : 'pods'}</Text>
        {namespace.unprotected > 0 && <Text size="xs" fw={400}><Link to="/endpoints" search={{ namespace: [namespace.name], unprotected: true }}>{namespace.unprotected.toLocaleString('en')} open in a direction</Link></Text>}
        {sets.map((set) => <SetChip key={set.name} set={set} />)}
        {onToggle && <Button size="compact-xs" variant="default" mt={4} aria-expanded={!closed} onClick={onToggle}>{closed ? 'Open' : 'Close'}<span className="visually-hidden"> {namespace.name}</span></Button>}
      </th>
      {nodes.map((node) => {
        const groups = cells.get(`${namespace.name}/${node}`) ?? [];
        return <td key={node}>{closed ? <Text size="sm" c="dimmed">{groups.reduce((sum, group) => sum + group.count, 0) || '–'}</Text> : <ul className="pods">{groups.map((group, at) => <li key={at}><PodChip group={group} /></li>)}</ul>}</td>;
      })}
      {outside}
    </tr>
  );
}

function PodChip({ group }: { group: Schemas['PodGroup'] }) {
  const labels = Object.entries(group.labels);
  // What every pod has says nothing about this one.
  const written = labels.filter(([key]) => !isInternal(key));
  const words = labels.map(([key, value]) => `${key}: ${value}`).join(', ') || 'no labels';
  const title = `${group.refs.join(', ')}\n${words}\nservice account ${group.serviceAccount}`;
  const [only] = group.refs;
  const body = <><PodIcon /><span>{written.slice(0, 2).map(([key, value]) => `${key}: ${value}`).join(', ') || shortRef(only)}{group.count > 1 ? ` ×${group.count}` : ''}</span></>;
  return group.count === 1 && only
    ? <Link to="/endpoint" search={{ ref: only }} title={title}>{body}</Link>
    : <Link to="/endpoints" search={{ namespace: [group.namespace], node: group.node || undefined, selector: labels.map(([key, value]) => `${key} == '${value.replaceAll("'", '')}'`).join(' && ') || undefined }} title={title}>{body}</Link>;
}

function shortRef(ref: string | undefined): string {
  return ref?.split('/').pop() ?? '';
}

function HostChip({ host }: { host: Schemas['EndpointRow'] }) {
  return <span className="set"><span aria-hidden>⬡ </span><Link to="/endpoint" search={{ ref: host.ref }}>{host.name}</Link></span>;
}

function SetChip({ set }: { set: Schemas['NetworkSet'] }) {
  return <span className="set" data-global={set.kind === 'GlobalNetworkSet'}><span aria-hidden>▦ </span><Link to="/networksets" search={{ q: set.name }}>{set.name}</Link></span>;
}

function PodIcon() {
  return <svg width="20" height="20" viewBox="0 0 20 20" aria-hidden><path d="M10 1l7 3.5 1.8 7.6L14 18H6L1.200 12.100 3 4.500z" fill="#2a6bb8" /><path d="M10 5l4 2v5l-4 2.500L6 12V7z M6 7l4 2 4-2 M10 9v5.500" fill="none" stroke="#fff" strokeWidth="1.200" /></svg>;
}
