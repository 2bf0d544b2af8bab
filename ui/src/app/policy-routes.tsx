import { useParams, useRouterState, useSearch } from '@tanstack/react-router';
import { formatId } from '../api/names';
import { EditPolicy, NewPolicy } from '../features/policy-form/page';

export function NewPolicyRoute() {
  // What another page began, as Flows does: it is in the browser's history, not in an address that somebody else could have made.
  const begun = useRouterState({ select: (state) => (state.location.state as { initial?: unknown }).initial });
  return <NewPolicy {...useSearch({ from: '/app/policies/new' })} begun={typeof begun === 'string' ? begun : undefined} />;
}

export function EditPolicyRoute() {
  const { kind, namespace, name } = useParams({ from: '/app/policies/$kind/$namespace/$name/edit' });
  const id = formatId({ kind, namespace: namespace === '-' ? '' : namespace, name });
  return <EditPolicy key={id} id={id} />;
}
