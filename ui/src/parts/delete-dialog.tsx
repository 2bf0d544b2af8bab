import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { remove } from '../api/objects';
import { kubectl, parseId, shortName } from '../api/names';
import { previewDeleteQuery } from '../api/queries';
import { CopyCommand } from './copy';
import { PreviewChanges } from './preview-changes';
import { Failure, QueryView } from './query-view';

/** Asks before an object is deleted; for a policy, with what would change. Closed without an id. */
export function DeleteDialog({ id, onClose, children }: { id: string | undefined; onClose: () => void; children?: ReactNode }) {
  return (
    <Modal opened={id !== undefined} onClose={onClose} size="xl" title={id ? `Delete ${parseId(id).kind} ${shortName(id)}?` : ''} closeButtonProps={{ 'aria-label': 'Close' }}>
      {id && <Body id={id} onClose={onClose}>{children}</Body>}
    </Modal>
  );
}

function Body({ id, onClose, children }: { id: string; onClose: () => void; children?: ReactNode }) {
  const client = useQueryClient();
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const confirm = async () => {
    setBusy(true);
    try {
      await remove(id);
      notifications.show({ message: `${shortName(id)} is deleted.` });
      onClose();
      await client.invalidateQueries();
    } catch (thrown) {
      setError(thrown as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Stack>
      {children}
      {parseId(id).kind.endsWith('Policy') && <PolicyPreview id={id} />}
      <Text size="sm">Connections that are open go on until they end.</Text>
      {error && <Failure error={error} />}
      <Group justify="flex-end">
        <CopyCommand command={kubectl('delete', id)} size="sm" />
        <Button variant="default" onClick={onClose}>Keep</Button>
        <Button color="red.9" loading={busy} onClick={() => void confirm()}>Delete</Button>
      </Group>
    </Stack>
  );
}

function PolicyPreview({ id }: { id: string }) {
  const query = useQuery(previewDeleteQuery(id));
  return <QueryView query={query}>{(preview) => <PreviewChanges preview={preview} />}</QueryView>;
}
