/** The rules of a direction in order, one of which can be open for editing. */
import { ActionIcon, Alert, Badge, Button, Card, Group, NativeSelect, Stack, Text, Title } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { duplicateItem, moveItem, removeItem } from '../document/edit';
import { actions, addRule, rulePath, rulesPath, set, type Direction, type Policy, type Rule } from '../document/policy';
import { problemsAt, useForm, useProblem, warningsAt } from './context';
import { EntityFields, More } from './EntityFields';
import { HttpFields } from './HttpFields';
import { TextField } from './fields';
import { ProtocolField } from './ProtocolField';
import { RuleCount } from './RuleCount';
import { readable } from './readable';

/** The rule that is open: `ingress/0`; `isNew` while it has not been saved once. */
export interface OpenRule {
  direction: Direction;
  index: number;
  isNew: boolean;
}

interface RulesProps {
  policy: Policy;
  direction: Direction;
  open: OpenRule | undefined;
  onOpen: (rule: OpenRule | undefined) => void;
  /** Puts the text back to what it was before the rule was opened. */
  onCancel: () => void;
}

export function Rules({ policy, direction, open, onOpen, onCancel }: RulesProps) {
  const { apply } = useForm();
  const rules = policy[direction];
  const type = direction === 'ingress' ? 'Ingress' : 'Egress';
  const add = `add-${direction}-rule`;
  const inert = rules.length > 0 && !policy.types.includes(type);
  if (!policy.types.includes(type) && rules.length === 0) return null;
  return (
    <Stack gap="xs" role="region" aria-label={`${type} policy rules`}>
      <Title order={3} size="h5">
        {type} policy rules ({rules.length})
      </Title>
      {rules.length > 1 && <Text size="sm" c="dimmed">The first that matches decides. They are counted from 0, as in traces, logs and commands.</Text>}
      {inert && <Alert color="yellow" variant="outline" styles={readable}>These rules do nothing: {type} is not ticked under Type.</Alert>}
      {rules.length === 0 && (
        <Text size="sm">
          No rules: the policy allows no {type.toLowerCase()} connection of the endpoints that it applies to. What no policy of the tier decides, its end does.
        </Text>
      )}
      <Stack component="ol" gap="xs" m={0} p={0} style={{ listStyle: 'none' }}>
        {rules.map((rule, index) => (
          <li key={index}>
            {open?.direction === direction && open.index === index ? (
              <RulePanel
                {...{ policy, direction, index, rule }}
                isNew={open.isNew}
                onDone={() => {
                  onOpen(undefined);
                  focusOn(control('edit', direction, index));
                }}
                onCancel={() => {
                  onCancel();
                  focusOn(open.isNew ? add : control('edit', direction, index));
                }}
              />
            ) : (
              <RuleCard {...{ direction, index, rule }} count={rules.length} locked={open !== undefined} onOpen={() => onOpen({ direction, index, isNew: false })} />
            )}
          </li>
        ))}
      </Stack>
      <Button
        id={add}
        variant="light"
        style={{ alignSelf: 'flex-start' }}
        disabled={open !== undefined}
        onClick={() => {
          onOpen({ direction, index: rules.length, isNew: true });
          apply(addRule(policy, direction));
        }}
      >
        + Add {direction} rule
      </Button>
    </Stack>
  );
}

type Control = 'edit' | 'up' | 'down' | 'duplicate' | 'delete';

function control(what: Control, direction: Direction, index: number): string {
  return `${what}-${direction}-rule-${index}`;
}

/** Puts the focus on the first of these that is there and enabled, once what was changed is drawn: who works with keys goes on with the same rule. */
function focusOn(...ids: string[]) {
  requestAnimationFrame(() => {
    const found = ids.map((id) => document.getElementById(id)).find((element) => element && !element.hasAttribute('disabled'));
    found?.focus();
  });
}

function RuleCard({ direction, index, rule, count, locked, onOpen }: { direction: Direction; index: number; rule: Rule; count: number; locked: boolean; onOpen: () => void }) {
  const { apply, draft } = useForm();
  const path = rulePath(direction, index);
  const said = draft?.rules?.find((known) => known.direction === direction && known.rule === index);
  const [problems, warnings] = [problemsAt(draft, path), warningsAt(draft, path)];
  const name = `${direction} rule ${index}`;
  const list = rulesPath(direction);
  const move = (to: number, way: Control) => {
    apply((document) => moveItem(document, list, index, to));
    focusOn(control(way, direction, to), control('edit', direction, to));
  };
  const remove = () => {
    apply((document) => removeItem(document, list, index));
    focusOn(control('edit', direction, index), control('edit', direction, index - 1), `add-${direction}-rule`);
  };
  return (
    <Card withBorder padding="xs" aria-label={name} role="group">
      <Group gap="xs" align="flex-start">
        <Badge data-action={rule.action} variant="default" style={{ flexShrink: 0 }}>
          {index} · {rule.action || 'no action'}
        </Badge>
        <div style={{ flex: '1 1 220px', minWidth: 0, overflowWrap: 'anywhere' }}>
          {rule.name !== '' && <Text size="sm" fw={600}>{rule.name}</Text>}
          <Text size="sm">{said?.sentence ?? ruleInShort(rule)}</Text>
          <RuleCount direction={direction} index={index} />
          {problems.map((problem) => <Text key={problem.code + problem.message} size="sm" c="var(--mantine-color-error)">✕ {problem.message}{problem.hint ? `: ${problem.hint}` : ''}</Text>)}
          {warnings.map((warning) => <Text key={warning.code + warning.message} size="sm">⚠ {warning.message}</Text>)}
        </div>
      </Group>
      <Group gap={4} mt={4} justify="flex-end">
        <Button id={control('edit', direction, index)} size="compact-sm" variant="subtle" aria-label={`Edit ${name}`} disabled={locked} onClick={onOpen}>Edit</Button>
        <Icon id={control('up', direction, index)} label={`Move ${name} up`} sign="↑" disabled={locked || index === 0} onClick={() => move(index - 1, 'up')} />
        <Icon id={control('down', direction, index)} label={`Move ${name} down`} sign="↓" disabled={locked || index === count - 1} onClick={() => move(index + 1, 'down')} />
        <Icon id={control('duplicate', direction, index)} label={`Duplicate ${name}`} sign="+" disabled={locked} onClick={() => apply((document) => duplicateItem(document, list, index))} />
        <Icon id={control('delete', direction, index)} label={`Delete ${name}`} sign="✕" disabled={locked} onClick={remove} />
      </Group>
    </Card>
  );
}

function Icon({ id, label, sign, disabled, onClick }: { id: string; label: string; sign: string; disabled: boolean; onClick: () => void }) {
  return (
    // Not a Tooltip: of those there would be a hundred in a long policy, drawn anew whenever typing pauses.
    <ActionIcon id={id} variant="subtle" color="gray" aria-label={label} title={label} disabled={disabled} onClick={onClick}>
      {sign}
    </ActionIcon>
  );
}

/** What a rule says while the server has not said it in words: what stands there, not what it means. */
export function ruleInShort(rule: Rule): string {
  const parts = [rule.protocol !== undefined ? `Protocol is ${rule.protocol}` : rule.notProtocol !== undefined ? `Protocol is not ${rule.notProtocol}` : 'Any protocol'];
  for (const [side, entity] of [['From', rule.source], ['To', rule.destination]] as const) {
    const said = [entity.selector && `Endpoints ${entity.selector}`, entity.namespaceSelector && `Namespaces ${entity.namespaceSelector}`, entity.nets.join(', '), entity.serviceAccountNames.join(', '), entity.ports.length > 0 && `Ports ${entity.ports.join(', ')}`].filter(Boolean);
    if (said.length > 0) parts.push(`${side}: ${said.join('; ')}`);
  }
  return parts.join(' · ');
}

interface PanelProps {
  policy: Policy;
  direction: Direction;
  index: number;
  rule: Rule;
  isNew: boolean;
  onDone: () => void;
  onCancel: () => void;
}

function RulePanel({ policy, direction, index, rule, isNew, onDone, onCancel }: PanelProps) {
  const { apply } = useForm();
  const path = rulePath(direction, index);
  const heading = useRef<HTMLHeadingElement>(null);
  const problem = useProblem([...path, 'action']);
  // Who opened it with the keyboard goes on inside it.
  useEffect(() => heading.current?.focus(), []);
  const namespace = policy.kind.includes('Global') ? undefined : policy.namespace;
  const side = (name: 'source' | 'destination') => <EntityFields side={name} direction={direction} path={[...path, name]} rule={rule} namespace={namespace} />;
  return (
    <Card withBorder padding="sm" shadow="sm" role="group" aria-label={isNew ? 'Create new policy rule' : 'Edit policy rule'}>
      <Stack gap="md">
        <div>
          <Title order={4} size="h5" ref={heading} tabIndex={-1}>
            {isNew ? 'Create new policy rule' : 'Edit policy rule'}
          </Title>
          <Text size="sm">
            {isNew ? 'Define' : 'Change'} {direction} policy rule {index}
          </Text>
        </div>
        <Group align="flex-end" gap="xs">
          <NativeSelect label="Action" value={rule.action} data={[...actions]} error={problem} onChange={(event) => apply(set([...path, 'action'], event.currentTarget.value))} />
          <ProtocolField path={path} rule={rule} />
        </Group>
        {direction === 'ingress' ? [side('destination'), side('source')].map((part, i) => <div key={i}>{part}</div>) : [side('source'), side('destination')].map((part, i) => <div key={i}>{part}</div>)}
        <TextField label="Rule name" description="An annotation: it decides nothing, traces and logs show it" path={[...path, 'metadata', 'annotations', 'name']} value={rule.name} />
        {(direction === 'ingress' || rule.http) && <More title="HTTP" open={rule.http !== undefined}><HttpFields path={[...path, 'http']} http={rule.http} /></More>}
        <Group justify="flex-end">
          <Button variant="default" onClick={onCancel}>Cancel</Button>
          <Button onClick={onDone}>Save rule</Button>
        </Group>
      </Stack>
    </Card>
  );
}
