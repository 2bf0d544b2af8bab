import { Checkbox, Group, NativeSelect, Stack, Text } from '@mantine/core';
import { inGlobalScope, set, setOption, setScope, setType, type Policy } from '../document/policy';
import { isStaged } from '../document/kinds';
import { useForm, useProblem } from './context';
import { NumberField, Section, TextField } from './fields';
import { Rules, type OpenRule } from './Rules';
import { SelectorField } from './SelectorField';

interface FormProps {
  policy: Policy;
  /** A policy that is stored keeps its name and scope: they are its identity. */
  stored: boolean;
  open: OpenRule | undefined;
  onOpen: (rule: OpenRule | undefined) => void;
  onCancel: () => void;
  /** Begins a Kubernetes network policy of the same name instead; undefined where there can be none. */
  toKubernetes: (() => void) | undefined;
}

/** The form of NetworkPolicy, GlobalNetworkPolicy and their staged twins, in the tutorial's order and words. */
export function TieredForm({ policy, stored, open, onOpen, onCancel, toKubernetes }: FormProps) {
  const global = inGlobalScope(policy);
  return (
    <Stack gap="lg">
      <Identity policy={policy} stored={stored} />
      <Scope policy={policy} stored={stored} />
      <Section title="Applies to" note={global ? 'With nothing chosen, to every pod and host endpoint in the cluster.' : 'With nothing chosen, to every pod of the namespace.'}>
        <SelectorField title="Endpoints" path={['spec', 'selector']} value={policy.selector} of={global ? undefined : 'pods'} none="none: all endpoints in scope" matchAll={global ? 'All pods and host endpoints' : 'All pods of the namespace'} />
        {global && <SelectorField title="Namespaces" path={['spec', 'namespaceSelector']} value={policy.namespaceSelector} of="namespaces" none="none: any namespace, and what is in none" matchAll="Every namespace: pods only, no host endpoints" add="Add namespace selector" />}
        <SelectorField title="Service accounts" path={['spec', 'serviceAccountSelector']} value={policy.serviceAccountSelector} of="serviceaccounts" none="none: any service account" matchAll="Pods of any service account" />
      </Section>
      <Options policy={policy} toKubernetes={toKubernetes} />
      <Types policy={policy} />
      <Rules {...{ policy, open, onOpen, onCancel }} direction="ingress" />
      <Rules {...{ policy, open, onOpen, onCancel }} direction="egress" />
    </Stack>
  );
}

function Identity({ policy, stored }: { policy: Policy; stored: boolean }) {
  const { tiers, apply, draft } = useForm();
  const tierProblem = useProblem(['spec', 'tier']);
  const tier = policy.tier || 'default';
  const names = tiers.map((known) => known.name);
  return (
    <Group align="flex-start" grow preventGrowOverflow={false}>
      {stored ? (
        <div>
          <Text size="sm" fw={500}>Name</Text>
          <Text size="sm" style={{ overflowWrap: 'anywhere' }}>{policy.name}</Text>
        </div>
      ) : (
        <TextField label="Name" path={['metadata', 'name']} value={policy.name} required />
      )}
      <NativeSelect
        label="Tier"
        value={tier}
        error={tierProblem}
        description={draft?.tierExists === false ? 'There is no such tier.' : undefined}
        data={names.includes(tier) ? names : [...names, tier]}
        onChange={(event) => apply(set(['spec', 'tier'], event.currentTarget.value))}
      />
      <NumberField label="Order" description={draft?.place ?? 'lowest first; empty: last in the tier'} path={['spec', 'order']} value={policy.order} decimals />
    </Group>
  );
}

function Scope({ policy, stored }: { policy: Policy; stored: boolean }) {
  const { namespaces, apply } = useForm();
  const global = inGlobalScope(policy);
  const problem = useProblem(['metadata', 'namespace']);
  const names = namespaces.map((ns) => ns.name);
  const scope = global ? ' global' : policy.namespace;
  const choices = [{ value: ' global', label: 'Global' }, ...[...names, ...(global || names.includes(scope) ? [] : [scope])].map((name) => ({ value: name, label: `Namespace ${name}` }))];
  return (
    <Section title="Scope" {...(stored ? { note: 'The scope is part of what the policy is. Save as makes one with another scope.' } : {})}>
      <NativeSelect
        aria-label="Scope"
        value={scope}
        disabled={stored}
        error={problem}
        data={choices}
        style={{ maxWidth: 320 }}
        onChange={(event) => {
          const chosen = event.currentTarget.value;
          apply(setScope(policy, chosen === ' global' ? { global: true } : { global: false, namespace: chosen }));
        }}
      />
    </Section>
  );
}

function Options({ policy, toKubernetes }: { policy: Policy; toKubernetes: (() => void) | undefined }) {
  const { apply } = useForm();
  const global = inGlobalScope(policy);
  const options = [
    { field: 'preDNAT', label: 'Pre-DNAT', on: policy.preDNAT },
    { field: 'doNotTrack', label: 'Do not track', on: policy.doNotTrack },
    { field: 'applyOnForward', label: 'Apply on forward', on: policy.applyOnForward },
  ] as const;
  return (
    <Section title="Options">
      <Group gap="md">
        <Checkbox label="Use Kubernetes network policy" checked={false} disabled={!toKubernetes} onChange={() => toKubernetes?.()} description="Begins a networking.k8s.io policy of this name; Undo goes back" />
        {options.map(({ field, label, on }) => (
          <Checkbox key={field} label={label} checked={on} disabled={!global} onChange={(event) => apply(setOption(field, event.currentTarget.checked))} />
        ))}
      </Group>
      {!global && <Text size="sm" c="dimmed">Pre-DNAT, Do not track and Apply on forward concern host endpoints, which only a global policy reaches.</Text>}
      {isStaged(policy.kind) && <Text size="sm">Staged: it is compared, not enforced.</Text>}
    </Section>
  );
}

function Types({ policy }: { policy: Policy }) {
  const { apply } = useForm();
  return (
    <Section title="Type" {...(policy.typesWritten ? {} : { note: 'Not written in the policy; this is what its rules make of it.' })}>
      <Group gap="md">
        {(['Ingress', 'Egress'] as const).map((type) => (
          <Checkbox
            key={type}
            label={type}
            checked={policy.types.includes(type)}
            // With none written the API would fill one in again.
            disabled={policy.types.length === 1 && policy.types[0] === type}
            onChange={(event) => apply(setType(policy, type, event.currentTarget.checked))}
          />
        ))}
      </Group>
    </Section>
  );
}
