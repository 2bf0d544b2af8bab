import { Badge, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useCallback, useEffect, useRef, useState, type ReactNode } from 'react';
import type { Schemas } from '../../api/client';
import { boardQuery } from '../../api/queries';
import { DragBoard, Drop } from '../../parts/drag';
import { Empty, QueryView } from '../../parts/query-view';
import { Card } from './card';
import { PolicyCounts } from './counts';
import { MoveDialog } from './move-dialog';
import { planInto, planStep, type Step } from './move';
import { useMove } from './use-move';

const route = getRouteApi('/app/policies');

export function Board({ onDelete }: { onDelete: (id: string) => void }) {
  const { q, tier, kind, namespace, endpoint, only } = route.useSearch();
  const query = useQuery(boardQuery({ q, tier, kind, namespace, endpoint, only }));
  const filtered = q || tier || kind || namespace || endpoint || only;
  return <QueryView query={query}>{(board) => board.tiers.length === 0 || (filtered && board.shown === 0)
    ? <Empty title={filtered ? 'No policy is shown' : 'No tiers are shown'}>{filtered ? `The filter leaves none of ${board.total} policies.` : 'There are no tiers that you may see.'}</Empty>
    : <Columns board={board} onDelete={onDelete} />}</QueryView>;
}

function Columns({ board, onDelete }: { board: Schemas['Board']; onDelete: (id: string) => void }) {
  const [moved, setMoved] = useState<Schemas['PolicyCard']>();
  const carry = useMove();
  const step = useCallback((id: string, way: Step) => void carry(id, planStep(board.tiers, id, way)), [board, carry]);
  const drop = (id: string, tierName: string, before: string | undefined) => {
    const tier = board.tiers.find((one) => one.name === tierName);
    if (tier && id !== before) void carry(id, planInto(tier, before));
  };
  return (
    <>
      <Text size="sm" c="dimmed" role="status">{board.shown === board.total ? `${board.total.toLocaleString('en')} policies` : `Showing ${board.shown.toLocaleString('en')} of ${board.total.toLocaleString('en')} policies`}. With a card focused, <kbd>Alt</kbd> and an arrow key moves it.</Text>
      <PolicyCounts><DragBoard onDrop={drop}>
        <div className="board" role="region" aria-label="Board of tiers" tabIndex={0}>
          {board.tiers.map((tier) => <TierColumn key={tier.name} tier={tier} step={step} onMove={setMoved} onDelete={onDelete} />)}
        </div>
      </DragBoard></PolicyCounts>
      {moved && <MoveDialog card={moved} tiers={board.tiers} onClose={() => setMoved(undefined)} onMove={(plan) => {
        setMoved(undefined);
        void carry(moved.id, plan);
      }} />}
    </>
  );
}

interface ColumnProps {
  tier: Schemas['BoardTier'];
  step: (id: string, way: Step) => void;
  onMove: (card: Schemas['PolicyCard']) => void;
  onDelete: (id: string) => void;
}

function TierColumn({ tier, step, onMove, onDelete }: ColumnProps) {
  const [ref, near] = useNear();
  const card = (policy: Schemas['PolicyCard']) => <Card key={policy.id} card={policy} step={step} onMove={onMove} onDelete={onDelete} />;
  const end = <Drop id={`end:${tier.name}`} tier={tier.name}><EndOfTier tier={tier} /></Drop>;
  return (
    <section className="column" ref={ref} aria-labelledby={`tier-${tier.name}`}>
      <header>
        <Title order={2} size="h5" id={`tier-${tier.name}`}>{tier.name}</Title>
        <Text size="xs" c="dimmed">{tier.order === undefined ? 'no order: last' : `order ${tier.order}`} · {tier.policies.length === tier.total ? tier.total : `${tier.policies.length} of ${tier.total}`} {tier.total === 1 ? 'policy' : 'policies'} {tier.builtin && <Badge size="xs">built in</Badge>} {tier.missing && <Badge size="xs" color="red" variant="outline" c="inherit">does not exist</Badge>}</Text>
      </header>
      {!near ? <div style={{ height: 400 }} /> : tier.policies.length > 60 ? <Windowed policies={tier.policies} card={card} end={end} label={tier.name} /> : <div className="cards">{tier.policies.map(card)}{end}</div>}
    </section>
  );
}

/** The last card: what happens to a connection that the policies of the tier leave undecided. */
function EndOfTier({ tier }: { tier: Schemas['BoardTier'] }) {
  return (
    <div className="end">
      <Text size="sm" fw={600}>{tier.end === 'Deny' ? '✕ End of tier: deny' : '→ End of tier: pass'}</Text>
      <Text size="xs" c="dimmed">{tier.end === 'Deny' ? 'A connection of an endpoint that a policy here applies to, and that none decided, is denied.' : 'What no policy here decided goes on to the next tier.'}</Text>
    </div>
  );
}

/** A long column shows the cards that are in sight, and some more. */
function Windowed({ policies, card, end, label }: { policies: Schemas['PolicyCard'][]; card: (policy: Schemas['PolicyCard']) => ReactNode; end: ReactNode; label: string }) {
  const parent = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({ count: policies.length, getScrollElement: () => parent.current, estimateSize: () => 120, overscan: 4, gap: 8, getItemKey: (at) => policies[at]!.id });
  return (
    <div className="window" ref={parent} tabIndex={0} role="region" aria-label={`Policies of tier ${label}`}>
      <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
        {rows.getVirtualItems().map((row) => <div key={row.key} data-index={row.index} ref={rows.measureElement} style={{ position: 'absolute', top: 0, left: 0, right: 0, transform: `translateY(${row.start}px)` }}>{card(policies[row.index]!)}</div>)}
      </div>
      <div style={{ marginTop: 8 }}>{end}</div>
    </div>
  );
}

/** True once the element has come near what is in sight; columns far off are not drawn. */
function useNear(): [(element: HTMLElement | null) => void, boolean] {
  const [near, setNear] = useState(typeof IntersectionObserver === 'undefined');
  const [element, setElement] = useState<HTMLElement | null>(null);
  useEffect(() => {
    if (!element || near) return;
    const watch = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && setNear(true), { rootMargin: '800px', scrollMargin: '800px' });
    watch.observe(element);
    return () => watch.disconnect();
  }, [element, near]);
  return [setElement, near];
}
