import { Button, Divider, Paper, PasswordInput, Stack, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { answer, api, setCsrfToken } from '../../api/client';
import { loginMethodsQuery, sessionQuery } from '../../api/queries';
import { Failure } from '../../parts/query-view';

/** Logs in by token, or sends the browser to the provider, from which it comes back to `next`. `onLogin` is called with a session in place. */
export function LoginForm({ onLogin, next }: { onLogin: () => void; next: string }) {
  const client = useQueryClient();
  const methods = useQuery(loginMethodsQuery);
  const [token, setToken] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error>();

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const session = await answer(api.POST('/session', { body: { token: token.trim() } }));
      setCsrfToken(session.csrfToken);
      client.setQueryData(sessionQuery.queryKey, session);
      onLogin();
    } catch (thrown) {
      setError(thrown instanceof Error ? thrown : new Error(String(thrown)));
    } finally {
      setBusy(false);
    }
  };

  return (
    <Stack>
      {error && <Failure error={error} />}
      {methods.error && <Failure error={methods.error} retry={() => void methods.refetch()} />}
      {methods.data?.oidc && <>
        <Button component="a" href={`${methods.data.oidc.url}?next=${encodeURIComponent(next)}`} variant="default">Log in with {methods.data.oidc.name}</Button>
        <Divider label="or" />
      </>}
      <form onSubmit={(event) => void submit(event)}>
        <Stack>
          <PasswordInput label="Token" description="A bearer token that the Kubernetes API accepts. It is sent once and not kept in this browser." value={token} required autoComplete="off"
            onChange={(event) => setToken(event.currentTarget.value)} visibilityToggleButtonProps={{ 'aria-label': 'Show or hide the token' }} />
          <Button type="submit" loading={busy}>Log in</Button>
        </Stack>
      </form>
      <Paper withBorder p="md">
        <Text size="sm" fw={600} mb={4}>Where to find a token</Text>
        <Text size="sm">In a cluster: <code>kubectl create token NAME</code>.</Text>
        <Text size="sm" mt={4}>On the standalone server there are three users, and it prints their tokens when it starts: an <b>administrator</b>, who may do all; a <b>security engineer</b>, who
          writes in tier <code>security</code>; and a <b>developer</b>, who writes in tier <code>default</code> of namespace <code>blue</code>. What each may do, Kubernetes' own access rules say.</Text>
      </Paper>
    </Stack>
  );
}
