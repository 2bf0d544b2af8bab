import { Alert, Autocomplete, Button, Group, Paper, Stack, Text, TextInput, Title } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect, useState, type FormEvent } from 'react';
import type { Schemas } from '../../api/client';
import { endpointsQuery, explainQuery } from '../../api/queries';
import { CopyCommand } from '../../parts/copy';
import { PolicyLink } from '../../parts/names';
import { Page } from '../../parts/page';
import { Verdict } from '../../parts/preview-changes';
import { Empty, QueryView } from '../../parts/query-view';

const route = getRouteApi('/app/explain');

/** Can X reach Y on port P, and why: the whole way, with what did not match. */
export function ExplainPage() {
  const { from, to, port } = route.useSearch();
  const query = useQuery({ ...explainQuery({ from: from ?? '', to: to ?? '', ...(port ? { port } : {}) }), enabled: Boolean(from && to) });
  return (
    <Page title="Can X reach Y?" about="The verdict for one new connection, at the source's egress and at the destination's ingress, and every rule on the way.">
      <Question key={`${from} ${to} ${port}`} />
      {from && to ? <QueryView query={query}>{(answer) => <Answer answer={answer} />}</QueryView>
        : <Empty title="Nothing is asked yet">Give a source and a destination: <code>blue/fe-1</code>, <code>hep:NAME</code>, <code>node:NAME</code> or an address; as destination also a domain name. A port is <code>tcp/80</code>, <code>udp/53</code>, <code>icmp/8</code>, or the name of a port.</Empty>}
    </Page>
  );
}

function Question() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const [from, setFrom] = useState(search.from ?? '');
  const [to, setTo] = useState(search.to ?? '');
  const [port, setPort] = useState(search.port ?? 'tcp/80');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void navigate({ search: { from: from.trim() || undefined, to: to.trim() || undefined, port: port.trim() || undefined } });
  };
  return (
    <Paper withBorder p="sm">
      <form onSubmit={submit}>
        <Group align="flex-end">
          <EndpointInput label="From" value={from} onChange={setFrom} />
          <EndpointInput label="To" value={to} onChange={setTo} />
          <TextInput label="Port" value={port} onChange={(event) => setPort(event.currentTarget.value)} w={120} />
          <Button type="submit">Ask</Button>
          <Button variant="default" onClick={() => {
            setFrom(to);
            setTo(from);
          }}>Swap</Button>
        </Group>
      </form>
    </Paper>
  );
}

function EndpointInput({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }) {
  const [typed] = useDebouncedValue(value, 150);
  const [asked, setAsked] = useState(false);
  const words = typed.replace(/^hep:/, '').replace('/', ' ').trim();
  const query = useQuery({ ...endpointsQuery({ ...(words ? { q: words } : {}), limit: 20 }), enabled: asked });
  useEffect(() => {
    if (typed !== '') setAsked(true);
  }, [typed]);
  return <Autocomplete label={label} required placeholder="blue/fe-1" value={value} onChange={onChange} onFocus={() => setAsked(true)} data={query.data?.items.map((one) => one.ref) ?? []} filter={({ options }) => options} w={220} />;
}

function Answer({ answer }: { answer: Schemas['Explanation'] }) {
  const on = answer.icmp ?? `${answer.protocol} ${answer.port}`;
  return (
    <Stack>
      <Alert variant="outline" color={answer.verdict === 'allow' ? 'green' : 'red'} role="status" title={<Text span fw={700} c="var(--mantine-color-text)">{answer.verdict === 'allow' ? `✓ Yes, allowed${answer.domain && !answer.domain.known && answer.domain.allowedBy.length > 0 ? ' once looked up' : ''}` : '✕ No, denied'}: {answer.from} → {answer.to} on {on}</Text>}>
        {answer.domain && <DomainView domain={answer.domain} />}
        <Text size="sm">From {answer.source} to {answer.destination}. Connections that are open already are not affected.</Text>
        <CopyCommand command={answer.command} mt="xs" />
      </Alert>
      <SideView title={`At the source: egress of ${answer.from}`} side={answer.egress} />
      {answer.ingress ? <SideView title={`At the destination: ingress of ${answer.to}`} side={answer.ingress} />
        : <Empty title="Ingress is not evaluated">The connection is denied at its source and never gets there.</Empty>}
      {answer.pending && <Paper p="sm" style={{ border: '2px dashed var(--mantine-color-grape-6)' }}>
        <Group gap="xs" mb="xs"><Text fw={700}>Simulated: if everything staged were enforced</Text><Verdict verdict={answer.pending.verdict} /></Group>
        <SideView title="Egress" side={answer.pending.egress} />
        {answer.pending.ingress && <SideView title="Ingress" side={answer.pending.ingress} />}
      </Paper>}
    </Stack>
  );
}

/** What is known of the domain name that is asked about. */
function DomainView({ domain }: { domain: Schemas['DomainAnswer'] }) {
  return (
    <>
      <Text size="sm">{domain.known ? <>{domain.name} was learned to be {domain.addresses.map((one) => `${one.address} (${one.verdict})`).join(', ')}.</>
        : <>{domain.name} has not been looked up, as far as is known; an address that nothing else names stands for the one that it will have.</>}</Text>
      <Text size="sm">{domain.allowedBy.length === 0 ? 'No rule at the source names it: what holds is what holds for its address.' : <>Allowed by {domain.allowedBy.map((one, at) => <span key={at}>{at > 0 && ', '}<PolicyLink id={one.policy} /> rule {one.rule} ({one.domain}{one.set && ` of ${one.set}`})</span>)}.</>}</Text>
    </>
  );
}

/** What the packet met on one side, stage by stage, with the one that decided among them. */
function Stages({ stages }: { stages: Schemas['Side'][] }) {
  return (
    <ol className="trace" aria-label="Stages">
      {stages.map((one, at) => <li key={at}>{one.stage ?? 'normal'} stage, {one.direction} of {one.endpoint}: <Verdict verdict={one.verdict} /> <Text span size="sm" c="dimmed">{one.because}</Text></li>)}
    </ol>
  );
}

function SideView({ title, side }: { title: string; side: Schemas['Side'] }) {
  const missed = side.visits.filter((visit) => !visit.matched);
  return (
    <section>
      <Group gap="xs" mb={4}><Title order={2} size="h5">{title}</Title><Verdict verdict={side.verdict} /></Group>
      <Text size="sm">Because: {side.because}.</Text>
      {side.stages && <Stages stages={side.stages} />}
      {side.path.length > 0 && <ol className="trace">
        {side.path.map((step, at) => <li key={at}>{step.tier && <>tier {step.tier}: </>}{step.policy && <PolicyLink id={step.policy} />}{step.profile && <>profile {step.profile}</>}{step.rule !== undefined && <> rule {step.rule}</>} <b>{step.action}</b>{!step.matched && ' at the end of the tier'}
          {step.policies?.length ? <Text span size="sm" c="dimmed"> ({step.policies.join(', ')} applied and did not decide)</Text> : null}</li>)}
      </ol>}
      {missed.length > 0 && <details><summary>{missed.length} {missed.length === 1 ? 'rule' : 'rules'} did not match</summary><ul className="trace">
        {missed.map((visit, at) => <li key={at}>{visit.policy ? <PolicyLink id={visit.policy} /> : visit.profile} rule {visit.rule} ({visit.action}): {visit.miss}</li>)}
      </ul></details>}
    </section>
  );
}
