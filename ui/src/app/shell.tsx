import { ActionIcon, Anchor, AppShell, Badge, Burger, Button, Group, Modal, Text, useMantineColorScheme, useComputedColorScheme } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { useEffect } from 'react';
import { answer, api, onSessionEnd } from '../api/client';
import { useLive, type Liveness } from '../api/live';
import { sessionQuery } from '../api/queries';
import { LoginForm } from '../features/login/login-form';
import { notifyError } from '../parts/copy';

const places = [['/', 'Home'], ['/policies', 'Policies'], ['/tiers', 'Tiers'], ['/endpoints', 'Endpoints'], ['/explain', 'Can X reach Y?'], ['/networksets', 'Network sets'],
  ['/namespaces', 'Namespaces'], ['/nodes', 'Nodes'], ['/flows', 'Flows'], ['/staged', 'Staged policies'], ['/connectivity', 'Connectivity']] as const;

const words: Record<Liveness, string> = { connecting: 'connecting', live: 'live', away: 'Kubernetes API away', lost: 'server away' };

/** The frame of all pages but the login's. */
export function Shell() {
  const [opened, { toggle, close }] = useDisclosure();
  const live = useLive();
  const path = useRouterState({ select: (state) => state.location.pathname });
  useEffect(close, [path, close]);
  return (
    <AppShell header={{ height: 52 }} navbar={{ width: 190, breakpoint: 'sm', collapsed: { mobile: !opened } }} padding="md">
      <AppShell.Header>
        <a className="skip" href="#content">Skip to the content</a>
        <Group h="100%" px="sm" justify="space-between" wrap="nowrap">
          <Group gap="xs" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Navigation" aria-expanded={opened} />
            <Anchor component={Link} to="/" underline="never" c="inherit" fw={700} fz="lg" style={{ whiteSpace: 'nowrap' }}>Tierwall</Anchor>
            <Badge color={live === 'live' ? 'green' : 'yellow'} variant="outline" c="inherit" role="status" visibleFrom="xs">{words[live]}</Badge>
          </Group>
          <Who />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" className="nav" aria-label="Main">
        {places.map(([to, name]) => <Link key={to} to={to} activeOptions={{ exact: to === '/', includeSearch: false }}>{name}</Link>)}
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        {live !== 'live' && live !== 'connecting' && <Text size="sm" fw={600} mb="xs" hiddenFrom="xs" role="status">⚠ {words[live]}</Text>}
        <Outlet /></AppShell.Main>
      <LoginAgain />
    </AppShell>
  );
}

function Who() {
  const { data } = useQuery(sessionQuery);
  const client = useQueryClient();
  const navigate = useNavigate();
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  const logout = async () => {
    try {
      await answer(api.DELETE('/session', { params: { header: { 'X-CSRF-Token': data?.csrfToken ?? '' } } } as never));
      await navigate({ to: '/login' });
      client.clear();
    } catch (thrown) {
      notifyError(thrown);
    }
  };
  return (
    <Group gap="xs" wrap="nowrap">
      <Text size="sm" truncate maw={220} visibleFrom="xs" title={data ? `${data.user} (${data.groups.join(', ')})` : ''}>{data?.user.replace(/^system:serviceaccount:([^:]+):/, '$1/')}</Text>
      <ActionIcon variant="default" size="md" aria-label={scheme === 'dark' ? 'Light colours' : 'Dark colours'} onClick={() => setColorScheme(scheme === 'dark' ? 'light' : 'dark')}>{scheme === 'dark' ? '☀' : '☾'}</ActionIcon>
      <Button variant="default" size="xs" onClick={() => void logout()}>Log out</Button>
    </Group>
  );
}

/** A session that ends takes nothing away: one logs in again over the page, which stays as it is. */
function LoginAgain() {
  const [opened, { open, close }] = useDisclosure();
  const client = useQueryClient();
  const here = useRouterState({ select: (state) => state.location.href });
  useEffect(() => onSessionEnd(open), [open]);
  return (
    <Modal opened={opened} onClose={close} title="Your session has ended" closeButtonProps={{ 'aria-label': 'Close' }}>
      <Text mb="md" size="sm">Log in again and go on where you were: nothing that you typed is lost.</Text>
      <LoginForm next={here} onLogin={() => {
        close();
        void client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'session' });
      }} />
    </Modal>
  );
}
