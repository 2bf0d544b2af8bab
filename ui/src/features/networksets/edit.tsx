import { Button, Code, Group, Modal, Select, Stack, TagsInput, Text, Textarea, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { ApiError, type Schemas } from '../../api/client';
import { formatId } from '../../api/names';
import { create, read, replace } from '../../api/objects';
import { Failure } from '../../parts/query-view';
import { changeSet, newSet, parseLabels, type SetFields } from './document';

/** Creates a set, or edits one: then the stored text is changed only where the fields say so. */
export function EditSet({ set, onClose }: { set: Schemas['NetworkSet'] | undefined; onClose: () => void }) {
  const id = set && formatId({ kind: set.kind, namespace: set.namespace ?? '', name: set.name });
  const stored = useQuery({ queryKey: ['preview', 'edit', id], queryFn: () => read(id!), enabled: id !== undefined, staleTime: Infinity, gcTime: 0, placeholderData: undefined });
  return (
    <Modal opened onClose={onClose} size="lg" title={set ? `Edit ${set.name}` : 'Create network set'} closeButtonProps={{ 'aria-label': 'Close' }}>
      {stored.error ? <Failure error={stored.error} /> : set && !stored.data ? <Text>Reading it…</Text> : <Form set={set} stored={stored.data} onClose={onClose} />}
    </Modal>
  );
}

function Form({ set, stored, onClose }: { set: Schemas['NetworkSet'] | undefined; stored: Schemas['StoredObject'] | undefined; onClose: () => void }) {
  const client = useQueryClient();
  const [fields, setFields] = useState<SetFields>({ scope: set?.namespace === undefined && set ? 'Global' : 'Namespace', namespace: set?.namespace ?? '', name: set?.name ?? '', labels: Object.entries(set?.labels ?? {}).map(([key, value]) => `${key}=${value}`), nets: set?.nets ?? [], domains: set?.domains.map((one) => one.domain) ?? [] });
  const [domains, setDomains] = useState(fields.domains.join('\n'));
  const [nets, setNets] = useState(fields.nets.join('\n'));
  const [base, setBase] = useState(stored);
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const change = (part: Partial<SetFields>) => setFields((now) => ({ ...now, ...part }));
  const words = (text: string) => text.split(/[\s,]+/).filter(Boolean);
  const complete = { ...fields, nets: words(nets), domains: words(domains) };
  const wrong = parseLabels(fields.labels).wrong;
  const yaml = base ? changeSet(base.yaml, complete) : newSet(complete);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      if (base) await replace(yaml, base.resourceVersion);
      else await create(yaml);
      notifications.show({ message: `${fields.name} is saved.` });
      onClose();
      await client.invalidateQueries();
    } catch (thrown) {
      setError(thrown as Error);
    } finally {
      setBusy(false);
    }
  };
  const theirs = error instanceof ApiError ? error.problem?.current : undefined;
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack>
        {!set && <Group align="flex-end">
          <Select label="Scope" data={['Namespace', 'Global']} value={fields.scope} allowDeselect={false} onChange={(scope) => change({ scope: scope as SetFields['scope'] })} />
          {fields.scope === 'Namespace' && <TextInput label="Namespace" required value={fields.namespace} onChange={(event) => change({ namespace: event.currentTarget.value })} />}
        </Group>}
        {!set && <TextInput label="Name" required value={fields.name} onChange={(event) => change({ name: event.currentTarget.value })} />}
        <TagsInput label="Labels" description="key=value, then Enter. Rules match a set by its labels." value={fields.labels} onChange={(labels) => change({ labels })} error={wrong && `Not key=value: ${wrong}`} />
        <Textarea label="Nets" description="Addresses and CIDRs, one a line" autosize minRows={3} maxRows={12} value={nets} onChange={(event) => setNets(event.currentTarget.value)} styles={{ input: { fontFamily: 'monospace' } }} />
        <Textarea label="Domains" description="Names such as www.example.com, or *.example.com for all below one, one a line. They count where an egress rule allows." autosize minRows={2} maxRows={12} value={domains} onChange={(event) => setDomains(event.currentTarget.value)} styles={{ input: { fontFamily: 'monospace' } }} />
        {error && <Failure error={error} />}
        {theirs && <>
          <Text size="sm" fw={600}>What is stored now</Text><Code block tabIndex={0}>{theirs.yaml}</Code>
          <Text size="sm" fw={600}>What you would save</Text><Code block tabIndex={0}>{yaml}</Code>
          <Button variant="default" onClick={() => {
            setBase(theirs);
            setError(undefined);
          }}>Put my fields over what is stored now</Button>
        </>}
        <Group justify="flex-end">
          <Button variant="default" onClick={() => void navigator.clipboard.writeText(yaml)}>Copy as YAML</Button>
          <Button variant="default" onClick={() => void navigator.clipboard.writeText(`kubectl apply -f - <<'EOF'\n${yaml}EOF\n`)}>Copy as command</Button>
          <Button type="submit" loading={busy} disabled={wrong !== undefined}>Save</Button>
        </Group>
      </Stack>
    </form>
  );
}
