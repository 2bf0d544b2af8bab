import { Group, NativeSelect, NumberInput } from '@mantine/core';
import { useState } from 'react';
import type { Path } from '../document/edit';
import { all, isIcmp, set, type Rule } from '../document/policy';
import { NumberField } from './fields';
import { useForm, useProblem } from './context';

const names = ['TCP', 'UDP', 'SCTP', 'UDPLite', 'ICMP', 'ICMPv6'];

/** Protocol is / is not one of the names or a number, with type and code for ICMP. */
export function ProtocolField({ path, rule }: { path: Path; rule: Rule }) {
  const { apply } = useForm();
  const [not, setNot] = useState(rule.protocol === undefined && rule.notProtocol !== undefined);
  const field = not ? 'notProtocol' : 'protocol';
  const value = not ? rule.notProtocol : rule.protocol;
  const problem = useProblem([...path, field]);
  const write = (next: string | number | undefined, negated = not) => {
    const other = negated ? 'protocol' : 'notProtocol';
    // Type and code mean nothing for another protocol, and the server refuses them.
    const icmp = isIcmp(next) && !negated ? [] : [set([...path, 'icmp'], undefined)];
    apply(all(set([...path, negated ? 'notProtocol' : 'protocol'], next), set([...path, other], undefined), ...icmp));
  };
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
        {choice === 'number' && (
          <NumberInput aria-label="Protocol number" w={90} hideControls allowDecimal={false} value={value ?? ''} onChange={(next) => write(typeof next === 'number' ? next : undefined)} />
        )}
      </Group>
      {isIcmp(rule.protocol) && (
        <Group gap="xs" align="flex-start">
          <NumberField label="ICMP type" description="empty: any" path={[...path, 'icmp', 'type']} value={rule.icmp?.type} />
          <NumberField label="ICMP code" description="empty: any; needs a type" path={[...path, 'icmp', 'code']} value={rule.icmp?.code} />
        </Group>
      )}
    </>
  );
}
