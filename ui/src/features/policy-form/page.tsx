import { Code } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { readYaml } from '../../parts/copy';
import { Page } from '../../parts/page';
import { Empty, Failure } from '../../parts/query-view';

/** A new policy. The form is not written yet. */
export function NewPolicy(_: { kind?: string; tier?: string; namespace?: string }) {
  return <Page title="Create policy"><Empty title="The form is not here yet">Use <code>kubectl apply -f</code> until it is.</Empty></Page>;
}

/** An existing policy, as text. The form is not written yet. */
export function EditPolicy({ id }: { id: string }) {
  const yaml = useQuery({ queryKey: ['object', id], queryFn: () => readYaml(id) });
  return <Page title={id}>{yaml.error ? <Failure error={yaml.error} /> : <Code block tabIndex={0}>{yaml.data}</Code>}</Page>;
}
