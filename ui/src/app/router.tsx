import type { QueryClient } from '@tanstack/react-query';
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, Link, Outlet, redirect } from '@tanstack/react-router';
import { ApiError } from '../api/client';
import { accessQuery, boardQuery, sessionQuery } from '../api/queries';
import { HomePage } from '../features/home/page';
import { LoginPage } from '../features/login/page';
import { Page } from '../parts/page';
import { Empty, Failure } from '../parts/query-view';
import { flag, list, localPath, oneOf, optional, text, whole } from './search';
import { Shell } from './shell';

function NoSuchPage() {
  return <Page title="There is no such page"><Empty title="The address leads nowhere">It may be mistyped, or of another version. <Link to="/">Home</Link></Empty></Page>;
}

const root = createRootRouteWithContext<{ client: QueryClient }>()({
  component: Outlet,
  notFoundComponent: NoSuchPage,
});

const login = createRoute({ getParentRoute: () => root, path: '/login', component: LoginPage, validateSearch: (raw: Record<string, unknown>) => optional({ next: localPath(raw, 'next') }) });

const policiesPage = lazyRouteComponent(() => import('../features/policies/page'), 'PoliciesPage');
const newPolicyPage = lazyRouteComponent(() => import('./policy-routes'), 'NewPolicyRoute');

/** What the largest pages are made of, asked for beside the session and not after it. That there is a session, the server says in a cookie with nothing in it. */
function ahead(client: QueryClient, { pathname, search }: { pathname: string; search: object }) {
  if (client.getQueryData(sessionQuery.queryKey) || !document.cookie.split('; ').includes('tierwall-session=1')) return;
  if (pathname === '/policies') {
    void policiesPage.preload?.();
    void client.prefetchQuery(accessQuery);
    if (!('endpoint' in search) && !('view' in search)) void client.prefetchQuery(boardQuery({}));
  } else if (pathname.startsWith('/policies/')) {
    void newPolicyPage.preload?.();
  }
}

/** Everything behind the login. Who is not logged in comes back to the same place, with the same search. */
const app = createRoute({
  getParentRoute: () => root,
  id: 'app',
  component: Shell,
  beforeLoad: async ({ context, location }) => {
    ahead(context.client, location);
    try {
      await context.client.ensureQueryData(sessionQuery);
    } catch (thrown) {
      if (thrown instanceof ApiError && thrown.status === 401) throw redirect({ to: '/login', search: { next: location.href === '/' ? undefined : location.href } });
      throw thrown;
    }
  },
  errorComponent: ({ error, reset }) => <Failure error={error instanceof Error ? error : new Error(String(error))} retry={reset} />,
});

const home = createRoute({
  getParentRoute: () => app, path: '/', component: HomePage,
  validateSearch: (raw: Record<string, unknown>) => optional({ open: list(raw, 'open'), view: oneOf(raw, 'view', ['table']) }),
});

export const policyKinds = ['NetworkPolicy', 'GlobalNetworkPolicy', 'KubernetesNetworkPolicy', 'ClusterNetworkPolicy', 'StagedNetworkPolicy', 'StagedGlobalNetworkPolicy', 'StagedKubernetesNetworkPolicy'] as const;
const sorts = ['name', '-name', 'namespace', '-namespace', 'kind', '-kind', 'tier', '-tier', 'order', '-order', 'endpoints', '-endpoints'] as const;
const policies = createRoute({
  getParentRoute: () => app, path: '/policies', component: policiesPage,
  validateSearch: (raw: Record<string, unknown>) => optional({
    view: oneOf(raw, 'view', ['table']), q: text(raw, 'q'), tier: list(raw, 'tier'), kind: list(raw, 'kind'), namespace: list(raw, 'namespace'), endpoint: text(raw, 'endpoint'),
    only: oneOf(raw, 'only', ['problems', 'staged', 'unused']), sort: oneOf(raw, 'sort', sorts), page: whole(raw, 'page'),
  }),
});

const newPolicy = createRoute({
  getParentRoute: () => app, path: '/policies/new', component: newPolicyPage,
  validateSearch: (raw: Record<string, unknown>) => optional({ kind: text(raw, 'kind'), tier: text(raw, 'tier'), namespace: text(raw, 'namespace'), tab: oneOf(raw, 'tab', ['yaml']) }),
});
const editPolicy = createRoute({
  getParentRoute: () => app, path: '/policies/$kind/$namespace/$name/edit', component: lazyRouteComponent(() => import('./policy-routes'), 'EditPolicyRoute'),
  validateSearch: (raw: Record<string, unknown>) => optional({ tab: oneOf(raw, 'tab', ['yaml']) }),
});

const tiers = createRoute({ getParentRoute: () => app, path: '/tiers', component: lazyRouteComponent(() => import('../features/tiers/page'), 'TiersPage') });
const endpoints = createRoute({
  getParentRoute: () => app, path: '/endpoints', component: lazyRouteComponent(() => import('../features/endpoints/list'), 'EndpointsPage'),
  validateSearch: (raw: Record<string, unknown>) => optional({
    q: text(raw, 'q'), namespace: list(raw, 'namespace'), node: text(raw, 'node'), kind: oneOf(raw, 'kind', ['Pod', 'HostEndpoint']), selector: text(raw, 'selector'), policy: text(raw, 'policy'),
    unprotected: flag(raw, 'unprotected'), page: whole(raw, 'page'), sort: oneOf(raw, 'sort', ['name', '-name', 'namespace', '-namespace', 'node', '-node']),
  }),
});
const endpoint = createRoute({
  getParentRoute: () => app, path: '/endpoint', component: lazyRouteComponent(() => import('../features/endpoints/detail'), 'EndpointPage'),
  validateSearch: (raw: Record<string, unknown>) => optional({ ref: text(raw, 'ref') ?? '' }),
});
const explain = createRoute({
  getParentRoute: () => app, path: '/explain', component: lazyRouteComponent(() => import('../features/endpoints/explain'), 'ExplainPage'),
  validateSearch: (raw: Record<string, unknown>) => optional({ from: text(raw, 'from'), to: text(raw, 'to'), port: text(raw, 'port') }),
});
const networkSets = createRoute({
  getParentRoute: () => app, path: '/networksets', component: lazyRouteComponent(() => import('../features/networksets/page'), 'NetworkSetsPage'),
  validateSearch: (raw: Record<string, unknown>) => optional({ q: text(raw, 'q'), namespace: list(raw, 'namespace'), page: whole(raw, 'page') }),
});
const namespaces = createRoute({
  getParentRoute: () => app, path: '/namespaces', component: lazyRouteComponent(() => import('../features/namespaces/page'), 'NamespacesPage'),
  validateSearch: (raw: Record<string, unknown>) => optional({ q: text(raw, 'q'), page: whole(raw, 'page') }),
});
const nodes = createRoute({ getParentRoute: () => app, path: '/nodes', component: lazyRouteComponent(() => import('../features/nodes/page'), 'NodesPage') });
const flows = createRoute({
  getParentRoute: () => app, path: '/flows', component: lazyRouteComponent(() => import('../features/flows/page'), 'FlowsPage'),
  validateSearch: (raw: Record<string, unknown>) => optional({
    verdict: oneOf(raw, 'verdict', ['allow', 'deny']), namespace: list(raw, 'namespace'), endpoint: text(raw, 'endpoint'), policy: text(raw, 'policy'), port: whole(raw, 'port'),
    since: oneOf(raw, 'since', ['5m', '1h', '24h']), newly: oneOf(raw, 'newly', ['denied', 'allowed', 'any']), event: oneOf(raw, 'event', ['connection', 'log']),
  }),
});
const staged = createRoute({
  getParentRoute: () => app, path: '/staged', component: lazyRouteComponent(() => import('../features/staged/page'), 'StagedPage'),
  validateSearch: (raw: Record<string, unknown>) => optional({ since: oneOf(raw, 'since', ['15m', '1h', '24h', '168h']) }),
});
const connectivity = createRoute({
  getParentRoute: () => app, path: '/connectivity', component: lazyRouteComponent(() => import('../features/connectivity/page'), 'ConnectivityPage'),
  validateSearch: (raw: Record<string, unknown>) => optional({
    from: text(raw, 'from'), to: text(raw, 'to'), port: text(raw, 'port'), row: whole(raw, 'row'), column: whole(raw, 'column'), source: text(raw, 'source'), destination: text(raw, 'destination'),
  }),
});

const tree = root.addChildren([login, app.addChildren([home, policies, newPolicy, editPolicy, tiers, endpoints, endpoint, explain, networkSets, namespaces, nodes, flows, staged, connectivity])]);

export function newRouter(client: QueryClient) {
  return createRouter({ routeTree: tree, context: { client }, defaultPreload: 'intent', scrollRestoration: true });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof newRouter>;
  }
}
