/** Flows as they are recorded: a page of those that were, and from then on each as it comes. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import { endSession, type Schemas } from '../../api/client';
import { flowsQuery, type FlowFilter } from '../../api/queries';
import type { Flow } from './words';

/** How many rows there are at most; the oldest go. */
const most = 1000;
/** How often what has come is shown, in milliseconds. */
const every = 250;

export interface LiveFlows {
  rows: Flow[];
  /** How many have come since the list was held. */
  waiting: number;
  /** What was lost since the page follows; its records are those that came too fast for it. */
  lost: Schemas['FlowLoss'];
  /** Whether flows come in: not before the first page is there, and not while the server is away. */
  following: boolean;
  query: ReturnType<typeof useFlowPages>;
}

function useFlowPages(filter: FlowFilter) {
  return useInfiniteQuery(flowsQuery(filter));
}

/** Follows what a filter leaves. While held, what comes is counted and kept, and the list stays as it is. */
export function useLiveFlows(filter: FlowFilter, held: boolean): LiveFlows {
  const query = useFlowPages(filter);
  const available = query.data?.pages[0]?.available === true;
  const [fresh, setFresh] = useState<Flow[]>([]);
  const [waiting, setWaiting] = useState(0);
  const [lost, setLost] = useState<Schemas['FlowLoss']>({});
  const [following, setFollowing] = useState(false);
  const arrived = useRef<Flow[]>([]);
  const key = JSON.stringify(filter);
  const { refetch } = query;

  useEffect(() => {
    arrived.current = [];
    setFresh([]);
    setWaiting(0);
    setLost({});
    if (!available) return;
    const source = new EventSource(`/api/v1/flows/follow?${parameters(filter)}`);
    let away = false;
    source.onopen = () => {
      setFollowing(true);
      if (away) void refetch(); // what came meanwhile is not told again
      away = false;
    };
    source.onerror = () => {
      away = true;
      setFollowing(false);
    };
    source.addEventListener('flow', (event: MessageEvent<string>) => {
      arrived.current = [JSON.parse(event.data) as Flow, ...arrived.current].slice(0, most);
    });
    source.addEventListener('lost', (event: MessageEvent<string>) => {
      const more = JSON.parse(event.data) as Schemas['FlowLoss'];
      setLost((now) => added(now, more));
    });
    source.addEventListener('session', () => {
      source.close();
      endSession();
    });
    return () => source.close();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the filter is an object that is made anew with each rendering; its text says whether it is another
  }, [key, available, refetch]);

  useEffect(() => {
    const show = () => {
      if (held) {
        setWaiting(arrived.current.length);
        return;
      }
      setWaiting(0);
      if (arrived.current.length === 0) return;
      const come = arrived.current;
      arrived.current = [];
      setFresh((now) => [...come, ...now].slice(0, most));
    };
    show();
    const timer = setInterval(show, every);
    return () => clearInterval(timer);
  }, [held, key]);

  const rows = useMemo(() => merged(fresh, query.data?.pages.flatMap((page) => page.records) ?? []), [fresh, query.data]);
  return { rows, waiting, lost, following, query };
}

/** Two losses as one. */
export function added(one: Schemas['FlowLoss'], other: Schemas['FlowLoss']): Schemas['FlowLoss'] {
  const sum = (key: 'denied' | 'connections' | 'records' | 'logged') => (one[key] ?? 0) + (other[key] ?? 0);
  return { denied: sum('denied'), connections: sum('connections'), records: sum('records'), logged: sum('logged') };
}

/** Both lists, newest first, with each flow once: what came while the page was asked for is in both. */
export function merged(fresh: Flow[], stored: Flow[]): Flow[] {
  if (fresh.length === 0) return stored;
  const known = new Set(fresh.map((flow) => flow.id));
  return [...fresh, ...stored.filter((flow) => !known.has(flow.id))];
}

function parameters(filter: FlowFilter): string {
  const all = new URLSearchParams();
  for (const [key, value] of Object.entries(filter)) {
    if (key === 'limit' || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) all.append(key, String(one));
  }
  return all.toString();
}
