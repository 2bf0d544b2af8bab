import { Group, NativeSelect } from '@mantine/core';
import { useState } from 'react';
import type { Edit, Path } from '../document/edit';
import { all, isIcmp, set, type Icmp, type Rule } from '../document/policy';
import { NumberField } from './fields';
import { useForm, useProblem } from './context';

const names = ['TCP', 'UDP', 'SCTP', 'UDPLite', 'ICMP', 'ICMPv6'];

/** Writes the protocol on one side of the negation. Type and code mean nothing for another protocol, and the server refuses them. */
function setProtocol(path: Path, next: string | number | undefined, negated: boolean): Edit {
  const icmp = isIcmp(next) && !negated ? [] : [set([...path, 'icmp'], undefined), set([...path, 'notICMP'], undefined)];
  return all(set([...path, negated ? 'notProtocol' : 'protocol'], next), set([...path, negated ? 'protocol' : 'notProtocol'], undefined), ...icmp);
}

/** Protocol is / is not one of the names or a number, the version of IP, and type and code for ICMP. */
export function ProtocolField({ path, rule }: { path: Path; rule: Rule }) {
  const { apply } = useForm();
  const [not, setNot] = useState(rule.protocol === undefined && rule.notProtocol !== undefined);
  const field = not ? 'notProtocol' : 'protocol';
  const value = not ? rule.notProtocol : rule.protocol;
  const problem = useProblem([...path, field]);
  const write = (next: string | number | undefined, negated = not) => apply(setProtocol(path, next, negated));
  const known = typeof value === 'string' ? names.find((name) => name.toUpperCase() === value.toUpperCase()) : undefined;
  const choice = value === undefined ? '' : (known ?? 'number');
  return (
    <>
      <Group gap="xs" align="flex-end">
        <NativeSelect
          label="Protocol"
          aria-label="Protocol is or is not"
          value={not ? 'not' : 'is'}
          data={[{ value: 'is', label: 'Is' }, { value: 'not', label: 'Is not' }]}
          onChange={(event) => {
            const negated = event.currentTarget.value === 'not';
            setNot(negated);
            write(value, negated);
          }}
        />
        <NativeSelect
          aria-label="Protocol"
          value={choice}
          error={problem}
          data={[{ value: '', label: 'Any' }, ...names, { value: 'number', label: 'number…' }]}
          onChange={(event) => write(event.currentTarget.value === 'number' ? 6 : event.currentTarget.value || undefined)}
        />
        {choice === 'number' && <NumberField hideLabel label="Protocol number" width={90} path={[...path, field]} value={value} edit={(next) => setProtocol(path, next, not)} />}
        <IpVersion path={path} value={rule.ipVersion} />
      </Group>
      {isIcmp(rule.protocol) && (
        <>
          <IcmpFields path={[...path, 'icmp']} value={rule.icmp} title="ICMP" />
          <IcmpFields path={[...path, 'notICMP']} value={rule.notICMP} title="ICMP: is not" />
        </>
      )}
    </>
  );
}

function IpVersion({ path, value }: { path: Path; value: number | undefined }) {
  const { apply } = useForm();
  const field = [...path, 'ipVersion'];
  const known = value === undefined || value === 4 || value === 6;
  return (
    <NativeSelect
      label="IP version"
      value={value === undefined ? '' : String(value)}
      error={useProblem(field)}
      data={[{ value: '', label: 'Both' }, { value: '4', label: 'IPv4' }, { value: '6', label: 'IPv6' }, ...(known ? [] : [String(value)])]}
      onChange={(event) => apply(set(field, event.currentTarget.value === '' ? undefined : Number(event.currentTarget.value)))}
    />
  );
}

function IcmpFields({ path, value, title }: { path: Path; value: Icmp | undefined; title: string }) {
  const not = title !== 'ICMP';
  return (
    <Group gap="xs" align="flex-start">
      <NumberField label={`${title} type`} description={not ? 'empty: none is excluded' : 'empty: any'} path={[...path, 'type']} value={value?.type} />
      <NumberField label={`${title} code`} description={not ? 'empty: all of the type' : 'empty: any; needs a type'} path={[...path, 'code']} value={value?.code} />
    </Group>
  );
}
