import { Button, Group, SimpleGrid, Text, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Schemas } from '../../api/client';
import { LabelList, PolicyLink } from '../../parts/names';
import { Verdict } from '../../parts/preview-changes';
import { ruleFrom } from './rule';
import { bytesText, deciding, endRef, labelsOf, loggedText, portOf, setOf, type Flow } from './words';

/** Everything that a record says. */
export function FlowDetail({ flow }: { flow: Flow }) {
  const by = deciding(flow);
  const rule = by && ruleFrom(flow, by);
  return (
    <div>
      {flow.logged && <Text size="sm" mb="sm">{sentence(loggedText(flow.logged))}: {flow.logged.packets.toLocaleString('en')} {flow.logged.packets === 1 ? 'packet' : 'packets'}. Below is what policy said of the packet; the connection has a record of its own.</Text>}
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md">
        <EndView title="Source" end={flow.source}><DecisionView title="Egress policy" decision={flow.egress} /></EndView>
        <EndView title="Destination" end={flow.destination}><DecisionView title="Ingress policy" decision={flow.ingress} /></EndView>
      </SimpleGrid>
      {flow.host && <DecisionView title={`Host endpoint ${flow.host.endpoint ?? ''} on the way`} decision={flow.host} />}
      {flow.pending && <section>
        <Group gap="xs" mt="sm"><Title order={3} size="h6">If everything staged were enforced</Title><Verdict verdict={flow.pending.verdict} /></Group>
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md"><DecisionView title="Egress policy" decision={flow.pending.egress} /><DecisionView title="Ingress policy" decision={flow.pending.ingress} /></SimpleGrid>
      </section>}
      <Text size="sm" mt="sm">
        Began {new Date(flow.start).toLocaleString('en-GB')}{flow.logged ? '' : `, ${flow.verdict === 'deny' ? 'denied' : flow.ended ? 'ended' : 'not known to have ended'}`}. Told by node {flow.node} ({flow.reporter === 'neither' ? 'on the way' : `at the ${flow.reporter}`}).
        {flow.service && <> Sent to the service {flow.service}.</>} {volumeText(flow)}
      </Text>
      <Group gap="xs" mt="xs">
        <Button size="xs" variant="default" component={Link} to={'/explain' as string} search={{ from: endRef(flow.source), to: endRef(flow.destination), port: portOf(flow) } as never}>Explain as of now</Button>
        {rule?.policy && <Button size="xs" variant="default" component={Link} to={'/policies/new' as string} state={{ initial: rule.policy } as never}>Make a rule from this flow</Button>}
        {rule?.why && <Text size="sm" c="dimmed">{rule.why}</Text>}
      </Group>
    </div>
  );
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** How much was sent, and that it is not known where the kernel does not count it. */
function volumeText(flow: Flow): string {
  if (flow.logged) return '';
  if (flow.verdict === 'deny') return `${flow.out.packets.toLocaleString('en')} ${flow.out.packets === 1 ? 'packet' : 'packets'} denied.`;
  if (flow.out.bytes + flow.in.bytes === 0) return flow.ended ? 'The node does not count bytes.' : 'No bytes are counted yet.';
  return `${bytesText(flow.out.bytes)} out, ${bytesText(flow.in.bytes)} back.`;
}

function EndView({ title, end, children }: { title: string; end: Flow['source']; children: ReactNode }) {
  return (
    <section>
      <Title order={3} size="h6">{title}: {endRef(end)}</Title>
      <Text size="sm">{endRef(end) !== end.address && end.address}{setOf(end) && <>in network set {setOf(end)}</>}{end.node && <> on {end.node}</>}</Text>
      {end.labels && <LabelList labels={labelsOf(end)} />}
      {children}
    </section>
  );
}

function DecisionView({ title, decision }: { title: string; decision: Schemas['FlowDecision'] | null | undefined }) {
  if (!decision) return <Text size="sm" c="dimmed" mt={4}>{title}: not asked by this node.</Text>;
  return (
    <div>
      <Group gap="xs" mt={4}><Text size="sm" fw={600}>{title}</Text><Verdict verdict={decision.verdict} /><Text size="sm">{decision.reason === 'tier default' ? `end of tier ${decision.tier ?? ''}` : decision.reason || 'reason not known'}</Text></Group>
      {decision.path.length > 0 && <ol className="trace">
        {decision.path.map((step, at) => <li key={at}>{step.tier && <>tier {step.tier}: </>}{step.policy ? <><PolicyLink id={step.policy} /> rule {step.rule} </> : step.profile ? <>profile {step.profile} </> : 'end of the tier '}<b>{step.action}</b>
          {step.policies?.length ? <Text span size="sm" c="dimmed"> ({step.policies.join(', ')} applied and did not decide)</Text> : null}</li>)}
      </ol>}
    </div>
  );
}
