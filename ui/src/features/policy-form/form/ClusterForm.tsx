/** A ClusterNetworkPolicy, edited as what it is: tier, priority, and its rules' actions and order. Peers are edited as YAML. */
import { Card, Group, NativeSelect, Stack, Text, Title } from '@mantine/core';
import { fields, list, number, set, text } from '../document/kubernetes';
import { useForm } from './context';
import { NumberField, TextField } from './fields';
import { ItemActions } from './KubernetesForm';

export function ClusterForm({ value, stored }: { value: Record<string, unknown>; stored: boolean }) {
  const { apply, draft } = useForm();
  const [metadata, spec] = [fields(value.metadata), fields(value.spec)];
  return (
    <Stack gap="lg">
      <Text size="sm">A Kubernetes ClusterNetworkPolicy. Its subject and the peers and protocols of its rules are edited in the YAML tab.</Text>
      <Group align="flex-start" grow>
        {stored ? <Text fw={600}>{text(metadata.name)}</Text> : <TextField label="Name" path={['metadata', 'name']} value={text(metadata.name)} required />}
        <NativeSelect label="Tier" value={text(spec.tier)} data={['Admin', 'Baseline']} onChange={(event) => apply(set(['spec', 'tier'], event.currentTarget.value))} />
        <NumberField label="Priority" description="0 to 1000, lowest first" path={['spec', 'priority']} value={number(spec.priority)} min={0} max={1000} />
      </Group>
      {(['ingress', 'egress'] as const).map((direction) => {
        const rules = list(spec[direction]);
        return (
          <Stack key={direction} gap="xs" role="region" aria-label={`${direction} rules`}>
            <Title order={3} size="h5">{direction === 'ingress' ? 'Ingress' : 'Egress'} rules ({rules.length})</Title>
            {rules.map((rule, index) => (
              <Card key={index} withBorder padding="sm" role="group" aria-label={`${direction} rule ${index + 1}`}>
                <Group align="flex-end">
                  <NativeSelect label="Action" value={text(fields(rule).action)} data={['Accept', 'Deny', 'Pass']} onChange={(event) => apply(set(['spec', direction, index, 'action'], event.currentTarget.value))} />
                  <TextField label="Rule name" path={['spec', direction, index, 'name']} value={text(fields(rule).name)} />
                  <ItemActions name={`${direction} rule ${index + 1}`} path={['spec', direction]} index={index} count={rules.length} />
                </Group>
                <Text size="sm" mt={4}>{draft?.rules?.find((known) => known.direction === direction && known.rule === index)?.sentence}</Text>
              </Card>
            ))}
          </Stack>
        );
      })}
    </Stack>
  );
}
