/** What the pages ask, each with its key: the first word says what it is about, for invalidation. */
import { infiniteQueryOptions, keepPreviousData, QueryClient, queryOptions } from '@tanstack/react-query';
import { answer, api, ApiError, setCsrfToken } from './client';
import { parseId } from './names';
import type { operations } from './schema.gen';

type Query<O extends keyof operations> = NonNullable<operations[O]['parameters']['query']>;

export function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        retry: (count, error) => count < 2 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 500),
        placeholderData: keepPreviousData,
      },
    },
  });
}

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async ({ signal }) => {
    const session = await answer(api.GET('/session', { signal }));
    setCsrfToken(session.csrfToken);
    return session;
  },
  staleTime: Infinity,
  retry: false,
});

export const loginMethodsQuery = queryOptions({ queryKey: ['login'], queryFn: ({ signal }) => answer(api.GET('/login', { signal })) });
export const accessQuery = queryOptions({ queryKey: ['access'], queryFn: ({ signal }) => answer(api.GET('/access', { signal })) });
export const tiersQuery = queryOptions({ queryKey: ['tiers'], queryFn: ({ signal }) => answer(api.GET('/tiers', { signal })) });

export type FlowFilter = Query<'listFlows'>;
export const flowsQuery = (query: FlowFilter) =>
  infiniteQueryOptions({
    queryKey: ['flows', query],
    queryFn: ({ signal, pageParam }) => answer(api.GET('/flows', { params: { query: { ...query, before: pageParam } }, signal })),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (page) => page.next,
    placeholderData: undefined,
  });
/** The newest denied attempts of the last hour. */
export const deniedQuery = queryOptions({
  queryKey: ['flows', 'denied'],
  queryFn: ({ signal }) => answer(api.GET('/flows', { params: { query: { verdict: 'deny', since: new Date(Date.now() - 3_600_000).toISOString(), limit: 1000 } }, signal })),
  refetchInterval: 15_000,
});
/** What rules did in the last hour. */
export const countsQuery = queryOptions({
  queryKey: ['flows', 'counts'],
  queryFn: ({ signal }) => answer(api.GET('/flows/counts', { params: { query: { since: new Date(Date.now() - 3_600_000).toISOString() } }, signal })),
  refetchInterval: 15_000,
});
export const stagedQuery = (since: string | undefined) =>
  queryOptions({ queryKey: ['staged', since], queryFn: ({ signal }) => answer(api.GET('/staged', { params: { query: { since } }, signal })) });

/** How many groups of each side of the matrix are asked for at once. */
export const matrixSize = 20;
export const connectivityQuery = (query: Query<'getConnectivity'>) =>
  queryOptions({ queryKey: ['connectivity', query], queryFn: ({ signal }) => answer(api.GET('/connectivity', { params: { query: { ...query, limit: matrixSize } }, signal })), refetchInterval: 15_000 });
export const connectivityCellQuery = (query: Query<'getConnectivityCell'>) =>
  queryOptions({ queryKey: ['connectivity', 'cell', query], queryFn: ({ signal }) => answer(api.GET('/connectivity/cell', { params: { query }, signal })), placeholderData: undefined });

/** What enforcing all that is staged could change, seen or not. */
export const stagedPossibleQuery = queryOptions({ queryKey: ['staged', 'possible'], queryFn: ({ signal }) => answer(api.GET('/staged/possible', { signal })), placeholderData: undefined });

export const nodesQuery = queryOptions({ queryKey: ['nodes'], queryFn: ({ signal }) => answer(api.GET('/nodes', { signal })) });

export const tierSubjectsQuery = (tier: string) =>
  queryOptions({ queryKey: ['tier-subjects', tier], queryFn: ({ signal }) => answer(api.GET('/tier-subjects', { params: { query: { tier } }, signal })), placeholderData: undefined });
export const clusterQuery = (query: Query<'getCluster'> = {}) =>
  queryOptions({ queryKey: ['cluster', query], queryFn: ({ signal }) => answer(api.GET('/cluster', { params: { query }, signal })) });
export const boardQuery = (query: Query<'getBoard'>) =>
  queryOptions({ queryKey: ['board', query], queryFn: ({ signal }) => answer(api.GET('/board', { params: { query }, signal })) });
export const policiesQuery = (query: Query<'listPolicies'>) =>
  queryOptions({ queryKey: ['policies', query], queryFn: ({ signal }) => answer(api.GET('/policies', { params: { query }, signal })) });
export const policyQuery = (id: string) =>
  queryOptions({ queryKey: ['policy', id], queryFn: ({ signal }) => answer(api.GET('/policy', { params: { query: { id } }, signal })), placeholderData: undefined });
export const endpointsQuery = (query: Query<'listEndpoints'>) =>
  queryOptions({ queryKey: ['endpoints', query], queryFn: ({ signal }) => answer(api.GET('/endpoints', { params: { query }, signal })) });
export const endpointQuery = (ref: string) =>
  queryOptions({ queryKey: ['endpoint', ref], queryFn: ({ signal }) => answer(api.GET('/endpoint', { params: { query: { ref } }, signal })), placeholderData: undefined });
export const networkSetsQuery = (query: Query<'listNetworkSets'>) =>
  queryOptions({ queryKey: ['networksets', query], queryFn: ({ signal }) => answer(api.GET('/networksets', { params: { query }, signal })) });
export const namespacesQuery = (query: Query<'listNamespaces'>) =>
  queryOptions({ queryKey: ['namespaces', query], queryFn: ({ signal }) => answer(api.GET('/namespaces', { params: { query }, signal })) });
export const explainQuery = (body: { from: string; to: string; port?: string }) =>
  queryOptions({ queryKey: ['explain', body], queryFn: ({ signal }) => answer(api.POST('/explain', { body, signal })), placeholderData: undefined });
export const previewDeleteQuery = (id: string) =>
  queryOptions({ queryKey: ['preview', id], queryFn: ({ signal }) => answer(api.POST('/preview', { body: { delete: id, limit: 50 }, signal })), placeholderData: undefined });
/** What saving a text would newly allow and deny; a staged policy is taken as if it were enforced. */
export const previewQuery = (yaml: string) =>
  queryOptions({ queryKey: ['preview', 'text', yaml], queryFn: ({ signal }) => answer(api.POST('/preview', { body: { yaml, limit: 50 }, signal })), placeholderData: undefined });
/** An object as it is stored, as YAML. */
export const storedQuery = (id: string) =>
  queryOptions({ queryKey: ['policy', 'stored', id], queryFn: ({ signal }) => answer(api.GET('/objects', { params: { query: nameOf(id) }, signal })), placeholderData: undefined });

function nameOf(id: string): Query<'getObject'> {
  const { kind, namespace, name } = parseId(id);
  return { kind, name, ...(namespace ? { namespace } : {}) };
}
