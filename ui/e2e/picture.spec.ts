/** Not a test: makes the picture of the README from the demo, with policies of the tutorial. `make picture`. */
import { demoTest as test, expect, visit } from './test';

test.use({ colorScheme: 'light', viewport: { width: 1440, height: 860 } });

/** The tutorial's tiers, as test/conformance/13-tiers.yaml has them, and something in each state that a card can show. */
const objects = `
{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: security}, spec: {order: 100}}
---
{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: platform}, spec: {order: 200}}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: security.outside}
spec: {tier: security, order: 10, selector: "app/tier in {'FE', 'BE'}", ingress: [{action: Deny, source: {nets: [172.30.0.100/32]}}, {action: Pass}]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: security.hosts}
spec: {tier: security, order: 20, selector: has(host), ingress: [{action: Allow, source: {namespaceSelector: global()}}, {action: Allow, protocol: TCP, destination: {ports: [443]}}]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: platform.backend, namespace: blue}
spec: {tier: platform, order: 10, selector: app/tier == 'BE', ingress: [{action: Allow, protocol: TCP, source: {selector: app/tier == 'FE'}, destination: {ports: [80]}}, {action: Pass, protocol: TCP, destination: {ports: [8080]}}]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: frontend, namespace: blue}
spec: {order: 100, selector: app/tier == 'FE', ingress: [{action: Allow, protocol: TCP, source: {selector: app/tier == 'BE', namespaceSelector: "projectcalico.org/name in {'blue', 'green'}"}}]}
---
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: red-backend, namespace: red}
spec: {order: 200, selector: app/tier == 'BE', ingress: [{action: Allow, source: {selector: app/tier == 'FE'}}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: from-green, namespace: green}
spec: {podSelector: {matchLabels: {app/tier: BE}}, ingress: [{from: [{podSelector: {}}]}]}
`;

test('docs/pictures/manager.png', async ({ page, login, server }) => {
  server.kubectl(['create', '-f', '-'], objects);
  await login();
  await visit(page, '/policies');
  await expect(page.getByRole('article', { name: /frontend$/ })).toBeVisible();
  await expect(page.getByText('live', { exact: true })).toBeVisible();
  await page.screenshot({ path: '../docs/pictures/manager.png' });
  await visit(page, '/policies/NetworkPolicy/blue/frontend/edit');
  await page.getByRole('button', { name: 'Edit ingress rule 0' }).click();
  await expect(page.getByTestId('matched')).toContainText('2 pods');
  await page.screenshot({ path: '../docs/pictures/policy-form.png' });
});
