import { Group, List, SegmentedControl, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import type { Schemas } from '../../api/client';
import { clusterQuery, nodesQuery } from '../../api/queries';
import { CreatePolicy } from '../../parts/create-policy';
import { Page } from '../../parts/page';
import { DeniedMost } from './denied';
import { PolicyLink } from '../../parts/names';
import { Empty, QueryView } from '../../parts/query-view';
import { forHowLong, stateSign } from '../nodes/state';
import { ClusterPicture } from './picture';
import { ClusterTable } from './table';

const route = getRouteApi('/app/');

export function HomePage() {
  const { view } = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery(clusterQuery());
  return (
    <Page title="Home" actions={<CreatePolicy />}>
      <QueryView query={query}>
        {(cluster) => <Stack gap="lg">
          <Stats cluster={cluster} />
          <section aria-labelledby="cluster">
            <Group justify="space-between" mb="xs">
              <Title order={2} size="h4" id="cluster">The cluster</Title>
              <SegmentedControl size="xs" aria-label="Shown as" value={view ?? 'picture'} data={[{ value: 'picture', label: 'Picture' }, { value: 'table', label: 'Table' }]}
                onChange={(next) => void navigate({ search: (now) => ({ ...now, view: next === 'table' ? 'table' : undefined }), replace: true })} />
            </Group>
            {cluster.cut && <Text size="sm" mb="xs">Cut: {cluster.cut}.</Text>}
            {cluster.pods.length + cluster.hostEndpoints.length + cluster.namespaces.length === 0
              ? <Empty title={cluster.view.hidden.length > 0 ? 'Nothing that you may see' : 'There is nothing in this cluster'}>{cluster.view.hidden.length > 0 ? 'What you may not see, and which rights are missing, stands above.' : 'No namespace, no pod and no host endpoint.'}</Empty>
              : view === 'table' ? <ClusterTable cluster={cluster} /> : <ClusterPicture cluster={cluster} />}
          </section>
          <Problems problems={cluster.problems} total={cluster.counts.problems} whole={cluster.view.hidden.length === 0} />
          <Watched />
        </Stack>}
      </QueryView>
    </Page>
  );
}

function Stats({ cluster: { counts, coverage } }: { cluster: Schemas['Cluster'] }) {
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }} spacing="xs">
      <Link className="stat" to="/endpoints"><Number value={coverage.endpoints} of={coverage.endpoints === 1 ? 'endpoint' : 'endpoints'} /></Link>
      <Link className="stat" to="/endpoints" search={{ unprotected: true }}><Number value={coverage.noIngress} of="without an ingress policy" /><Text size="xs" c="dimmed">{coverage.noEgress} without egress, {coverage.none} without any</Text></Link>
      <Link className="stat" to="/policies"><Number value={counts.policies} of={counts.policies === 1 ? 'policy' : 'policies'} /></Link>
      <Link className="stat" to="/staged"><Number value={counts.staged} of={counts.staged === 1 ? 'staged change that waits' : 'staged changes that wait'} /></Link>
      <Link className="stat" to="/networksets"><Number value={counts.networkSets} of={counts.networkSets === 1 ? 'network set' : 'network sets'} /></Link>
      <Link className="stat" to="/policies" search={{ only: 'problems' }}><Number value={counts.problems} of={counts.problems === 1 ? 'problem' : 'problems'} /></Link>
    </SimpleGrid>
  );
}

function Number({ value, of }: { value: number; of: string }) {
  return <><Text span fw={700} fz="xl">{value.toLocaleString('en')}</Text> <Text span size="sm">{of}</Text></>;
}

function Problems({ problems, total, whole }: { problems: Schemas['FieldProblem'][]; total: number; whole: boolean }) {
  return (
    <section aria-labelledby="problems">
      <Title order={2} size="h4" id="problems" mb="xs">Problems</Title>
      {problems.length === 0 ? <Empty title={whole ? 'No problems' : 'No problems in what you see'}>{whole ? 'Everything that is stored can be read and is enforced as written.' : 'What you may not see may have some.'}</Empty> : <List spacing={4}>
        {problems.slice(0, 50).map((one, at) => <List.Item key={at}><PolicyLink id={one.object} />{one.path && <> <code>{one.path}</code></>}: {one.message}{one.hint && <Text span c="dimmed"> ({one.hint})</Text>}</List.Item>)}
      </List>}
      {total > Math.min(problems.length, 50) && <Text size="sm">Showing {Math.min(problems.length, 50)} of {total}. <Link to="/policies" search={{ only: 'problems' }}>Policies with problems</Link></Text>}
    </section>
  );
}

function NotInStep({ nodes }: { nodes: Schemas['NodeStatus'][] }) {
  const late = nodes.filter((one) => one.state !== 'in step' || one.warning);
  if (late.length === 0) return <Empty title="None">{nodes.length === 0 ? 'There are no nodes.' : `All ${nodes.length.toLocaleString('en')} nodes enforce what is stored.`}</Empty>;
  return <List>{late.slice(0, 10).map((one) => <List.Item key={one.name}>{one.state === 'in step' ? '⚠' : stateSign(one.state)} {one.name}: {one.state} for {forHowLong(one.since, Date.now())}{(one.error ?? one.warning) && <Text span c="dimmed"> ({one.error ?? one.warning})</Text>}</List.Item>)}
    {late.length > 10 && <List.Item>and <Link to="/nodes">{late.length - 10} more</Link></List.Item>}</List>;
}

function Watched() {
  const nodes = useQuery(nodesQuery);
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      <section aria-labelledby="denied"><Title order={2} size="h4" id="denied" mb="xs">Denied most</Title><DeniedMost /></section>
      <section aria-labelledby="nodes"><Title order={2} size="h4" id="nodes" mb="xs"><Link to="/nodes" style={{ color: 'inherit' }}>Nodes not in step, or with a warning</Link></Title>
        {nodes.data?.available ? <NotInStep nodes={nodes.data.nodes} /> : <Empty title="Not known">{nodes.data?.reason ?? nodes.error?.message ?? 'asking'}</Empty>}</section>
    </SimpleGrid>
  );
}
