import { useParams, useSearch } from '@tanstack/react-router';
import { formatId } from '../api/names';
import { EditPolicy, NewPolicy } from '../features/policy-form/page';

export function NewPolicyRoute() {
  return <NewPolicy {...useSearch({ from: '/app/policies/new' })} />;
}

export function EditPolicyRoute() {
  const { kind, namespace, name } = useParams({ from: '/app/policies/$kind/$namespace/$name/edit' });
  const id = formatId({ kind, namespace: namespace === '-' ? '' : namespace, name });
  return <EditPolicy key={id} id={id} />;
}
