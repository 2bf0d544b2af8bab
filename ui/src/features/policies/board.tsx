import { Badge, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useCallback, useDeferredValue, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import type { Schemas } from '../../api/client';
import { accessQuery, boardQuery } from '../../api/queries';
import { DragBoard, Drop } from '../../parts/drag';
import { Empty, QueryView } from '../../parts/query-view';
import { Card } from './card';
import { PolicyCounts } from './counts';
import { filterTiers, indexOf } from './filter';
import { MoveDialog } from './move-dialog';
import { planInto, planStep, type Planned, type Step } from './move';
import { useMove } from './use-move';

const route = getRouteApi('/app/policies');

interface BoardProps {
  /** What is being looked for, also while it is not in the address yet. */
  q: string | undefined;
  onDelete: (id: string) => void;
}

/** The whole board is asked for once, and filtered here as one types; only which policies apply to an endpoint is the server's to say. */
export function Board({ q, onDelete }: BoardProps) {
  const { tier, kind, namespace, endpoint, only } = route.useSearch();
  const query = useQuery(boardQuery(endpoint === undefined ? {} : { endpoint }));
  const filter = useDeferredValue(useMemo(() => ({ q, tier, kind, namespace, only }), [q, tier, kind, namespace, only]));
  const index = useMemo(() => indexOf(query.data?.tiers ?? []), [query.data]);
  const tiers = useMemo(() => filterTiers(query.data?.tiers ?? [], index, filter), [query.data, index, filter]);
  const filtered = Boolean(filter.q || tier || kind || namespace || endpoint || only);
  return <QueryView query={query}>{(board) => <Columns {...{ tiers, filtered, onDelete }} total={board.total} />}</QueryView>;
}

interface ColumnsProps {
  /** Those that are asked for, also those of which the filter leaves nothing: what is moved goes past them. */
  tiers: Schemas['BoardTier'][];
  filtered: boolean;
  total: number;
  onDelete: (id: string) => void;
}

function Columns({ tiers, filtered, total, onDelete }: ColumnsProps) {
  const { data: access } = useQuery(accessQuery);
  const [moved, setMoved] = useState<Schemas['PolicyCard']>();
  const [reveal, setReveal] = useState<Reveal>();
  const carry = useMove();
  const latest = useRef(tiers);
  useEffect(() => {
    latest.current = tiers;
  });
  const move = useCallback(async (id: string, plan: Planned) => {
    if (await carry(id, plan)) setReveal({ id });
  }, [carry]);
  const step = useCallback((id: string, way: Step) => void move(id, planStep(latest.current, id, way)), [move]);
  const drop = (id: string, tierName: string, before: string | undefined) => {
    const tier = tiers.find((one) => one.name === tierName);
    if (tier && id !== before) void move(id, planInto(tier, before));
  };
  const shown = tiers.reduce((sum, tier) => sum + tier.policies.length, 0);
  const columns = filtered ? tiers.filter((tier) => tier.policies.length > 0) : tiers;
  if (columns.length === 0) return <Empty title={filtered ? 'No policy is shown' : 'No tiers are shown'}>{filtered ? `The filter leaves none of ${total.toLocaleString('en')} policies.` : 'There are no tiers that you may see.'}</Empty>;
  return (
    <>
      <Text size="sm" c="dimmed" role="status">{shown === total ? `${total.toLocaleString('en')} policies` : `Showing ${shown.toLocaleString('en')} of ${total.toLocaleString('en')} policies`}{columns.length < tiers.length ? `, in ${columns.length} of ${tiers.length} tiers` : ''}. With a card focused, <kbd>Alt</kbd> and an arrow key moves it.</Text>
      <PolicyCounts><DragBoard onDrop={drop}>
        <div className="board" role="region" aria-label="Board of tiers" tabIndex={0}>
          {columns.map((tier) => <TierColumn key={tier.name} tier={tier} access={access} reveal={reveal && tier.policies.some((one) => one.id === reveal.id) ? reveal : undefined} step={step} onMove={setMoved} onDelete={onDelete} />)}
        </div>
      </DragBoard></PolicyCounts>
      {moved && <MoveDialog card={moved} tiers={tiers} onClose={() => setMoved(undefined)} onMove={(plan) => {
        setMoved(undefined);
        void move(moved.id, plan);
      }} />}
    </>
  );
}

/** A card that is to be in sight and have the focus, once for each of these. */
interface Reveal {
  id: string;
}

interface ColumnProps {
  tier: Schemas['BoardTier'];
  access: Schemas['Access'] | undefined;
  reveal: Reveal | undefined;
  step: (id: string, way: Step) => void;
  onMove: (card: Schemas['PolicyCard']) => void;
  onDelete: (id: string) => void;
}

/** From how many policies on a column scrolls by itself, and has only those cards that are in sight. */
const long = 20;

const TierColumn = memo(function TierColumn({ tier, access, reveal, step, onMove, onDelete }: ColumnProps) {
  const [ref, near] = useNear();
  const windowed = tier.policies.length > long;
  const card = (policy: Schemas['PolicyCard']) => <Card key={policy.id} card={policy} access={access} step={step} onMove={onMove} onDelete={onDelete} />;
  useEffect(() => {
    if (reveal && !windowed) focusCard(reveal.id);
  }, [reveal, windowed]);
  const end = <Drop id={`end:${tier.name}`} tier={tier.name}><EndOfTier tier={tier} /></Drop>;
  return (
    <section className="column" ref={ref} aria-labelledby={`tier-${tier.name}`}>
      <header>
        <Title order={2} size="h5" id={`tier-${tier.name}`}>{tier.name}</Title>
        <Text size="xs" c="dimmed">{tier.order === undefined ? 'no order: last' : `order ${tier.order}`} · {tier.policies.length === tier.total ? tier.total : `${tier.policies.length} of ${tier.total}`} {tier.total === 1 ? 'policy' : 'policies'} {tier.builtin && <Badge size="xs">built in</Badge>} {tier.missing && <Badge size="xs" color="red" variant="outline" c="inherit">does not exist</Badge>}</Text>
      </header>
      {!near && !reveal ? <div style={{ height: Math.min(560, 110 + 138 * tier.policies.length) }} /> : windowed ? <Windowed policies={tier.policies} card={card} end={end} label={tier.name} reveal={reveal} /> : <div className="cards">{tier.policies.map(card)}{end}</div>}
    </section>
  );
});

function focusCard(id: string) {
  requestAnimationFrame(() => document.getElementById(`card-${id}`)?.focus());
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
function Windowed({ policies, card, end, label, reveal }: { policies: Schemas['PolicyCard'][]; card: (policy: Schemas['PolicyCard']) => ReactNode; end: ReactNode; label: string; reveal: Reveal | undefined }) {
  const parent = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({ count: policies.length, getScrollElement: () => parent.current, estimateSize: () => 130, overscan: 2, gap: 8, initialRect: { width: 284, height: 560 }, getItemKey: (at) => policies[at]!.id });
  useEffect(() => {
    const at = reveal ? policies.findIndex((one) => one.id === reveal.id) : -1;
    if (!reveal || at < 0) return;
    rows.scrollToIndex(at);
    requestAnimationFrame(() => focusCard(reveal.id));
    // Once for each that is revealed, not again when the policies change.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [reveal]);
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
    const watch = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && setNear(true), { rootMargin: '300px', scrollMargin: '300px' });
    watch.observe(element);
    return () => watch.disconnect();
  }, [element, near]);
  return [setElement, near];
}
