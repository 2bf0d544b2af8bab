import { Button, Group, Modal, NumberInput, Select, Stack, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { parseDocument, stringify } from 'yaml';
import type { Schemas } from '../../api/client';
import { create, read, replace } from '../../api/objects';
import { Failure } from '../../parts/query-view';

/** Creates a tier, or changes its order and what happens at its end. */
export function EditTier({ tier, onClose }: { tier: Schemas['Tier'] | undefined; onClose: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState(tier?.name ?? '');
  const [order, setOrder] = useState<string | number>(tier ? (tier.order ?? '') : 100);
  const [end, setEnd] = useState<string>(tier?.end ?? 'Deny');
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const spec = { ...(order === '' ? {} : { order: Number(order) }), defaultAction: end };
  const yaml = stringify({ apiVersion: 'projectcalico.org/v3', kind: 'Tier', metadata: { name }, spec });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      if (tier) {
        const stored = await read(`Tier//${tier.name}`);
        const document = parseDocument(stored.yaml);
        if (order === '') document.deleteIn(['spec', 'order']);
        else document.setIn(['spec', 'order'], Number(order));
        document.setIn(['spec', 'defaultAction'], end);
        await replace(document.toString(), stored.resourceVersion);
      } else await create(yaml);
      notifications.show({ message: `Tier ${name} is saved.` });
      onClose();
      await client.invalidateQueries();
    } catch (thrown) {
      setError(thrown as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={onClose} title={tier ? `Edit tier ${tier.name}` : 'Create tier'} closeButtonProps={{ 'aria-label': 'Close' }}>
      <form onSubmit={(event) => void submit(event)}>
        <Stack>
          {!tier && <TextInput label="Name" required value={name} onChange={(event) => setName(event.currentTarget.value)} />}
          <NumberInput label="Order" description="The smallest is evaluated first; none is last" value={order} onChange={setOrder} hideControls />
          <Select label="At its end" description="What happens to a connection that its policies apply to and do not decide" data={['Deny', 'Pass']} value={end} allowDeselect={false} onChange={(next) => setEnd(next ?? 'Deny')} />
          {error && <Failure error={error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={() => void navigator.clipboard.writeText(yaml)}>Copy as YAML</Button>
            <Button variant="default" onClick={() => void navigator.clipboard.writeText(`kubectl apply -f - <<'EOF'\n${yaml}EOF\n`)}>Copy as command</Button>
            <Button type="submit" loading={busy}>Save</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
