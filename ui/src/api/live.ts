/** What changes in the cluster reaches the pages: events invalidate what was asked. */
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { endSession } from './client';

export type Liveness = 'connecting' | 'live' | 'away' | 'lost';

/** Not asked anew on a change: the session, what somebody is just reading before a decision, and flows, which have a way of their own. */
const kept = new Set(['session', 'login', 'preview', 'flows']);

/** Follows the server's events for as long as the component is there, and says how that goes. */
export function useLive(): Liveness {
  const client = useQueryClient();
  const [state, setState] = useState<Liveness>('connecting');
  useEffect(() => {
    const source = new EventSource('/api/v1/events');
    const refresh = () => void client.invalidateQueries({ predicate: (query) => !kept.has(String(query.queryKey[0])) });
    let lost = false;
    source.onopen = () => {
      setState('live');
      // What changed while nobody listened is not told again.
      if (lost) refresh();
      lost = false;
    };
    source.onerror = () => {
      lost = true;
      setState('lost');
    };
    source.addEventListener('change', refresh);
    source.addEventListener('away', () => {
      setState('away');
      refresh();
    });
    source.addEventListener('back', () => {
      setState('live');
      refresh();
    });
    source.addEventListener('session', () => {
      source.close();
      endSession();
    });
    return () => source.close();
  }, [client]);
  return state;
}
