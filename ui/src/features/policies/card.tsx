import { ActionIcon, Badge, Group, Menu, Text, Tooltip } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { memo, useMemo, useState, type KeyboardEvent } from 'react';
import { permission } from '../../api/access';
import type { Schemas } from '../../api/client';
import { kubectl, routeParams } from '../../api/names';
import { notifyError, readYaml } from '../../parts/copy';
import { Drop, useDrag } from '../../parts/drag';
import { kindWord } from '../../parts/names';
import { Programmed } from '../../parts/programmed';
import { PolicyCount } from './counts';
import type { Step } from './move';

interface CardProps {
  card: Schemas['PolicyCard'];
  access: Schemas['Access'] | undefined;
  step: (id: string, way: Step) => void;
  onMove: (card: Schemas['PolicyCard']) => void;
  onDelete: (id: string) => void;
}

const ways: Record<string, Step> = { ArrowUp: 'up', ArrowDown: 'down', ArrowLeft: 'left', ArrowRight: 'right' };

/** A policy on the board. */
export const Card = memo(function Card({ card, access, step, onMove, onDelete }: CardProps) {
  const rights = useMemo(() => rightsOf(access, card), [access, card]);
  const { ref, handleRef } = useDrag(card.id, rights.move !== undefined);
  const keys = (event: KeyboardEvent) => {
    const way = ways[event.key];
    if (!event.altKey || !way) return;
    event.preventDefault();
    if (rights.move) notifyError(new Error(rights.move));
    else step(card.id, way);
  };
  return (
    <Drop id={`before:${card.id}`} tier={card.tier} before={card.id}>
      <article ref={rights.move ? undefined : ref} id={`card-${card.id}`} className="card" data-staged={card.staged} data-problem={card.problems.length > 0} tabIndex={0} aria-label={`${card.kind} ${card.namespace ? `${card.namespace}/` : ''}${card.name}`} onKeyDown={keys}>
        <Group justify="space-between" wrap="nowrap" gap={4} align="flex-start">
          <Group gap={6} wrap="nowrap" align="flex-start" miw={0}>
            {!rights.move && <span ref={handleRef} aria-label={`Drag ${card.name}`} style={{ cursor: 'grab', touchAction: 'none', width: 24, height: 24, flex: 'none', textAlign: 'center' }}>⠿</span>}
            <Text fw={600} size="sm" miw={0}><Link to="/policies/$kind/$namespace/$name/edit" params={routeParams(card.id)} style={{ color: 'inherit' }}>{card.name}</Link></Text>
          </Group>
          <CardMenu card={card} rights={rights} onMove={onMove} onDelete={onDelete} />
        </Group>
        <Group gap={4} my={2}>
          <Badge size="sm" radius="sm">{card.namespace ?? 'global'}</Badge>
          {!['NetworkPolicy', 'GlobalNetworkPolicy'].includes(card.kind) && <Badge size="sm" radius="sm">{kindWord(card.kind)}</Badge>}
          {card.staged && <Badge size="sm" radius="sm" variant="outline" color="grape" c="inherit">Staged{card.stagedAction === 'Delete' ? ': delete' : ''}, not enforced</Badge>}
          <Text size="xs" c="dimmed">{card.kind === 'KubernetesNetworkPolicy' ? 'order 1000, fixed' : card.order === undefined ? 'no order: last' : `order ${card.order}`}</Text>
        </Group>
        <Text size="xs"><Link to="/endpoints" search={{ policy: card.id }}>{card.endpoints.toLocaleString('en')} {card.endpoints === 1 ? 'endpoint' : 'endpoints'}</Link> · {card.types.join(', ')} · {card.ingressRules + card.egressRules} {card.ingressRules + card.egressRules === 1 ? 'rule' : 'rules'}</Text>
        <Text size="xs" c="dimmed" lineClamp={2} title={card.sentence}>{card.sentence}</Text>
        <Programmed of={card.programmed} />
        <PolicyCount id={card.id} />
        {card.invalid && <Text size="xs" fw={600}>⚠ Cannot be read: denies all</Text>}
        {card.problems.slice(0, 2).map((one, at) => <Text key={at} size="xs">⚠ {one.message}</Text>)}
      </article>
    </Drop>
  );
});

/** What the user may not do with the policy, with the reason; undefined is allowed, or not known yet: then the server's answer to the deed says it. */
function rightsOf(access: Schemas['Access'] | undefined, card: Schemas['PolicyCard']): { move: string | undefined; remove: string | undefined } {
  const wanted = { kind: card.kind, ...(card.namespace ? { namespace: card.namespace } : {}), ...(ofProject(card.kind) ? { tier: card.tier } : {}) };
  const update = permission(access, { verb: 'update', ...wanted });
  const remove = permission(access, { verb: 'delete', ...wanted });
  return {
    move: !card.movable ? 'The order of a Kubernetes policy cannot be changed: it is always evaluated as 1000.' : update.allowed || update.unknown ? undefined : `You may not move it: this needs ${update.missing}`,
    remove: remove.allowed || remove.unknown ? undefined : `You may not delete it: this needs ${remove.missing}`,
  };
}

function ofProject(kind: string): boolean {
  return kind !== 'KubernetesNetworkPolicy' && kind !== 'ClusterNetworkPolicy' && kind !== 'StagedKubernetesNetworkPolicy';
}

interface MenuProps extends Omit<CardProps, 'step' | 'access'> {
  rights: { move: string | undefined; remove: string | undefined };
}

function CardMenu({ card, rights, onMove, onDelete }: MenuProps) {
  const copy = (text: Promise<string>) => void text.then((value) => navigator.clipboard.writeText(value)).catch(notifyError);
  // A menu costs more than the rest of the card: it is made when it is asked for.
  const [asked, setAsked] = useState(false);
  const button = <ActionIcon variant="subtle" color="gray" c="inherit" size={26} aria-label={`Actions for ${card.name}`} aria-haspopup="menu" onClick={() => setAsked(true)}>⋮</ActionIcon>;
  if (!asked) return button;
  return (
    <Menu position="bottom-end" withinPortal defaultOpened>
      <Menu.Target>{button}</Menu.Target>
      <Menu.Dropdown>
        <Barred why={rights.move} onClick={() => onMove(card)}>Move…</Barred>
        <Menu.Item onClick={() => copy(readYaml(card.id))}>Copy as YAML</Menu.Item>
        <Menu.Item onClick={() => copy(Promise.resolve(kubectl('get', card.id, '-o yaml')))}>Copy as command</Menu.Item>
        <Barred why={rights.remove} onClick={() => onDelete(card.id)}>Delete…</Barred>
      </Menu.Dropdown>
    </Menu>
  );
}

/** A menu item that stays there when it is not allowed, and says why. */
function Barred({ why, onClick, children }: { why: string | undefined; onClick: () => void; children: string }) {
  if (!why) return <Menu.Item onClick={onClick}>{children}</Menu.Item>;
  return <Tooltip label={why} multiline maw={320} position="left" events={{ hover: true, focus: true, touch: true }}><Menu.Item aria-disabled aria-description={why} c="dimmed" closeMenuOnClick={false}>{children}</Menu.Item></Tooltip>;
}
