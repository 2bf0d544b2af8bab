import { useQuery } from '@tanstack/react-query';
import { useCallback, useDeferredValue, useMemo } from 'react';
import type { PolicyApi, SelectKind } from '../api';

const kinds = ['pods', 'namespaces', 'serviceaccounts'] as const;

/** What there is to choose from, and the picture: read once, and again when it is old. */
export function useSurroundings(api: PolicyApi) {
  // What changes in the cluster is told by events (api/live.ts), which make these be asked again.
  const often = { staleTime: 15_000 };
  // To compare two pictures of 5,000 endpoints part by part takes longer than to draw what differs, and would hold up typing.
  const cluster = useQuery({ queryKey: ['policy-form', 'cluster'], queryFn: ({ signal }) => api.cluster(signal), structuralSharing: false, ...often });
  const tiers = useQuery({ queryKey: ['policy-form', 'tiers'], queryFn: ({ signal }) => api.tiers(signal), ...often });
  const namespaces = useQuery({ queryKey: ['policy-form', 'namespaces'], queryFn: ({ signal }) => api.namespaces(signal), ...often });
  const all = useQuery({ queryKey: ['policy-form', 'labels', 'all'], queryFn: ({ signal }) => api.labels(undefined, signal), ...often });
  const pods = useQuery({ queryKey: ['policy-form', 'labels', kinds[0]], queryFn: ({ signal }) => api.labels(kinds[0], signal), ...often });
  const ofNamespaces = useQuery({ queryKey: ['policy-form', 'labels', kinds[1]], queryFn: ({ signal }) => api.labels(kinds[1], signal), ...often });
  const ofAccounts = useQuery({ queryKey: ['policy-form', 'labels', kinds[2]], queryFn: ({ signal }) => api.labels(kinds[2], signal), ...often });
  const labels = useCallback(
    (of: SelectKind | undefined) => {
      if (of === 'pods') return pods.data ?? [];
      if (of === 'namespaces') return ofNamespaces.data ?? [];
      return (of === 'serviceaccounts' ? ofAccounts.data : all.data) ?? [];
    },
    [all.data, pods.data, ofNamespaces.data, ofAccounts.data],
  );
  const around = useMemo(
    () => ({ cluster: cluster.data, tiers: tiers.data ?? [], namespaces: namespaces.data ?? [], labels }),
    [cluster.data, tiers.data, namespaces.data, labels],
  );
  // An answer to a query is drawn at once, and all of the form with it: letters come first.
  return useDeferredValue(around);
}
