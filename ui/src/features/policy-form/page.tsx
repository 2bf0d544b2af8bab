import { useComputedColorScheme } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useBlocker, useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useEffect, useState } from 'react';
import { parseId, routeParams } from '../../api/names';
import { policyQuery, sessionQuery } from '../../api/queries';
import { Page } from '../../parts/page';
import { Programmed } from '../../parts/programmed';
import { Failure } from '../../parts/query-view';
import { serverApi, type StoredObject } from './api';
import { newKubernetesPolicy } from './document/copy';
import { newPolicy } from './document/policy';
import { PolicyEditor, type Tab } from './editor/PolicyEditor';

/** The page of a new policy. With a namespace it begins namespaced, without one global; or with a text that another page began. */
export function NewPolicy({ kind, tier, namespace, begun }: { kind?: string | undefined; tier?: string | undefined; namespace?: string | undefined; begun?: string | undefined }) {
  const initial = begun ?? (kind === 'KubernetesNetworkPolicy' ? newKubernetesPolicy('', namespace ?? 'default') : newPolicy(namespace, tier ?? 'default'));
  // Another beginning is another policy: nothing of the one before it is in its form.
  return <Editor key={initial} initial={initial} />;
}

/** The page of a policy that is there. */
export function EditPolicy({ id }: { id: string }) {
  const { kind, namespace, name } = parseId(id);
  // Never read again while it is edited: what changes meanwhile is a conflict to be shown, not a text to be replaced.
  const stored = useQuery({ queryKey: ['preview', 'edit', id], queryFn: ({ signal }) => serverApi.object(kind, namespace, name, signal), staleTime: Infinity, gcTime: 0, retry: false });
  if (stored.error) return <Page title={`Edit ${name}`} about={<Link to="/policies">All policies</Link>}><Failure error={stored.error} retry={() => void stored.refetch()} /></Page>;
  if (!stored.data) return <div role="status">Reading the policy…</div>;
  return (
    <>
      <Enforced id={id} />
      <Editor initial={stored.data.yaml} stored={stored.data} />
    </>
  );
}

/** On how many nodes the stored policy is enforced; it is asked again as the cluster changes. */
function Enforced({ id }: { id: string }) {
  const { data } = useQuery(policyQuery(id));
  return <Programmed of={data?.programmed} />;
}

function Editor({ initial, stored }: { initial: string; stored?: StoredObject }) {
  const navigate = useNavigate();
  const session = useQuery(sessionQuery);
  const dark = useComputedColorScheme('light') === 'dark';
  const { tab } = useSearch({ strict: false });
  const [dirty, setDirty] = useState(false);
  const [goTo, setGoTo] = useState<string>();
  useBlocker({
    // Another tab of the editor is the same page.
    shouldBlockFn: ({ current, next }) => dirty && goTo === undefined && current.pathname !== next.pathname && !window.confirm('What you changed is not saved. Leave? A draft is kept in this browser.'),
    enableBeforeUnload: () => dirty && goTo === undefined,
  });
  const onSaved = useCallback((id: string) => setGoTo(id), []);
  useEffect(() => {
    if (goTo !== undefined) void navigate({ to: '/policies/$kind/$namespace/$name/edit', params: routeParams(goTo), search: (old) => old as never }).then(() => setGoTo(undefined));
  }, [goTo, navigate]);
  useEffect(() => {
    document.title = `${stored ? stored.name : 'Create policy'} · Tierwall`;
  }, [stored]);
  const onTab = (next: Tab) => void navigate({ to: '.', search: (old: object) => ({ ...old, tab: next === 'yaml' ? 'yaml' : undefined }) as never, replace: true });
  if (!session.data) return null;
  return (
    <PolicyEditor
      api={serverApi}
      user={session.data.user}
      initial={initial}
      {...(stored ? { stored } : {})}
      tab={tab === 'yaml' ? 'yaml' : 'form'}
      dark={dark}
      onTab={onTab}
      onSaved={onSaved}
      onClose={() => void navigate({ to: '/policies' })}
      onDirty={setDirty}
    />
  );
}
