import { Button, Group, List, Modal, Select, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Schemas } from '../../api/client';
import { kubectl, shortName } from '../../api/names';
import { reorder } from '../../api/objects';
import { CopyCommand } from '../../parts/copy';
import { Failure } from '../../parts/query-view';
import { planInto, type Planned } from './move';

/** Puts a policy before another or last, in its tier or in another; says beforehand what that writes. */
export function MoveDialog({ card, tiers, onClose, onMove }: { card: Schemas['PolicyCard']; tiers: Schemas['BoardTier'][]; onClose: () => void; onMove: (plan: Planned) => void }) {
  const [tierName, setTier] = useState(card.tier);
  const [before, setBefore] = useState('');
  const tier = tiers.find((one) => one.name === tierName);
  const plan: Planned = tier ? planInto(tier, before || undefined) : { refused: 'Choose a tier.' };
  const dry = useQuery({ queryKey: ['preview', 'move', card.id, plan.target], queryFn: () => reorder({ policy: card.id, ...plan.target!, dryRun: true }), enabled: plan.target !== undefined, retry: false, placeholderData: undefined });
  const places = (tier?.policies ?? []).filter((one) => one.id !== card.id && !one.staged).map((one) => ({ value: one.id, label: `before ${shortName(one.id)}` }));
  return (
    <Modal opened onClose={onClose} title={`Move ${shortName(card.id)}`} closeButtonProps={{ 'aria-label': 'Close' }}>
      <Stack>
        <Select label="Tier" data={tiers.map((one) => one.name)} value={tierName} allowDeselect={false} searchable onChange={(next) => {
          setTier(next ?? card.tier);
          setBefore('');
        }} />
        <Select label="Place" data={[...places, { value: '', label: 'last in the tier' }]} value={before} allowDeselect={false} searchable onChange={(next) => setBefore(next ?? '')} />
        {plan.refused && <Text size="sm" role="alert">{plan.refused}</Text>}
        {plan.target && dry.error && <Failure error={dry.error} />}
        {plan.target && dry.data && <div role="status"><Text size="sm">{dry.data.message}</Text>
          {dry.data.renumbered && <List size="sm">{dry.data.writes.map((one) => <List.Item key={one.policy}>{shortName(one.policy)}: order {one.was ?? 'none'} → {one.order}</List.Item>)}</List>}
        </div>}
        <Group justify="flex-end">
          {dry.data && <CopyCommand size="sm" command={dry.data.writes.map((one) => kubectl('patch', one.policy, `--type merge -p '${JSON.stringify({ spec: { tier: one.tier, order: one.order } })}'`)).join('\n')} />}
          <Button variant="default" onClick={onClose}>Cancel</Button>
          <Button disabled={!plan.target || dry.error !== null} onClick={() => onMove(plan)}>Move</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
