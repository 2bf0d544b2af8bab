import { Button, Group, Paper, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import type { Schemas } from '../../api/client';
import { quote } from '../../api/names';
import { endpointQuery } from '../../api/queries';
import { CopyCommand } from '../../parts/copy';
import { LabelList, PolicyLink } from '../../parts/names';
import { Page } from '../../parts/page';
import { Empty, QueryView } from '../../parts/query-view';

const route = getRouteApi('/app/endpoint');

export function EndpointPage() {
  const { ref = '' } = route.useSearch();
  const query = useQuery({ ...endpointQuery(ref), enabled: ref !== '' });
  return (
    <Page title={ref || 'Endpoint'} about="The policies that hold for it, in the order in which they are evaluated." actions={<>
      <CopyCommand command={`tierwall effective ${quote(ref)}`} />
      <Button component={Link} to="/explain" search={{ from: ref } as never} size="xs" variant="default">What can it reach?</Button>
      <Button component={Link} to="/explain" search={{ to: ref } as never} size="xs" variant="default">What reaches it?</Button>
    </>}>
      {ref === '' ? <Empty title="No endpoint is named">Choose one of the <Link to="/endpoints">endpoints</Link>.</Empty> : <QueryView query={query}>{(detail) => <Detail detail={detail} />}</QueryView>}
    </Page>
  );
}

function Detail({ detail }: { detail: Schemas['EndpointDetail'] }) {
  const { endpoint } = detail;
  const facts: [string, string | undefined][] = [['Node', endpoint.node], ['Interface', endpoint.interface], ['Addresses', endpoint.addresses.join(', ')], ['Service account', endpoint.serviceAccount],
    ['Profiles', detail.profiles.join(', ')], ['Named ports', detail.ports.map((port) => `${port.name} = ${port.port}`).join(', ')]];
  return (
    <Stack>
      <Paper withBorder p="sm">
        <Group gap="lg">{facts.filter(([, value]) => value).map(([name, value]) => <div key={name}><Text size="xs" c="dimmed">{name}</Text><Text size="sm">{value}</Text></div>)}</Group>
        <Text size="xs" c="dimmed" mt="xs">Labels</Text><LabelList labels={endpoint.labels} />
        {inheritedFrom(detail.inherited).map(({ title, labels }) => <div key={title}><Text size="xs" c="dimmed" mt="xs">{title}</Text><LabelList labels={labels} /></div>)}
      </Paper>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Direction title="Ingress: connections to it" direction={detail.ingress} />
        <Direction title="Egress: connections from it" direction={detail.egress} />
      </SimpleGrid>
      {detail.stages && <SimpleGrid cols={{ base: 1, md: 2 }}>
        {detail.stages.map((one) => <Direction key={`${one.stage}/${one.direction}`} title={`${one.stage} stage, ${one.direction}`} direction={{ tiers: one.tiers, then: 'the packet goes on to the next stage' }} />)}
      </SimpleGrid>}
      <Text size="sm"><Link to="/flows" search={{ endpoint: endpoint.ref }}>Its flows</Link>: connections of it as they are made, and what was denied.</Text>
    </Stack>
  );
}

/** Labels that come from elsewhere, by where: the prefixes stand for the namespace and the service account. */
export function inheritedFrom(labels: Record<string, string>): { title: string; labels: Record<string, string> }[] {
  const sources = [['pcns.', 'Labels of its namespace'], ['pcsa.', 'Labels of its service account'], ['', 'Labels of its profiles']] as const;
  const found = new Map<string, Record<string, string>>();
  for (const [key, value] of Object.entries(labels)) {
    const [prefix, title] = sources.find(([start]) => key.startsWith(start)) ?? sources[2];
    found.set(title, { ...found.get(title), [key.slice(prefix.length)]: value });
  }
  return sources.flatMap(([, title]) => (found.has(title) ? [{ title, labels: found.get(title) ?? {} }] : []));
}

function Direction({ title, direction }: { title: string; direction: Schemas['EffectiveDirection'] }) {
  return (
    <section>
      <Title order={2} size="h4" mb="xs">{title}</Title>
      <Stack gap="xs">
        {direction.tiers.length === 0 && <Empty title="No policy applies">{`What then holds: ${direction.then}`}</Empty>}
        {direction.tiers.map((tier) => <div key={tier.tier} className="column" style={{ flex: 'none' }}>
          <header><Text fw={600}>{tier.tier} <Text span size="xs" c="dimmed" fw={400}>{tier.order === undefined ? 'no order' : `order ${tier.order}`}{tier.missing ? ', does not exist' : ''}</Text></Text></header>
          <ol className="trace" style={{ padding: '4px 8px 4px 32px' }}>
            {tier.policies.map((one) => <li key={one.policy}><PolicyLink id={one.policy} /> <Text span size="xs" c="dimmed">{one.order === undefined ? 'no order' : `order ${one.order}`} · {one.rules} {one.rules === 1 ? 'rule' : 'rules'}{one.actions.length ? ` (${one.actions.join(', ')})` : ''}</Text>{one.invalid && ' ⚠ cannot be read: denies all'}</li>)}
          </ol>
          <div className="end" style={{ margin: 8 }}><Text size="sm">{tier.end === 'Deny' ? '✕ End of tier: deny' : '→ End of tier: pass'}</Text></div>
        </div>)}
        {direction.tiers.length > 0 && <Text size="sm">Then: {direction.then}</Text>}
      </Stack>
    </section>
  );
}
