/** Every place of the Manager behind the login, with something on it. */
export const routes = [
  '/', '/?view=table', '/policies', '/policies?view=table', '/policies/new', '/policies/new?tab=yaml', '/policies/NetworkPolicy/blue/platform.blue/edit',
  '/policies/KubernetesNetworkPolicy/green/from-green/edit', '/tiers', '/endpoints', '/endpoint?ref=blue/be-1', '/explain', '/explain?from=blue/fe-1&to=blue/be-1&port=tcp/80',
  '/networksets', '/namespaces', '/nodes', '/flows', '/staged', '/connectivity',
];
