import { notifications } from '@mantine/notifications';
import { useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { reorder } from '../../api/objects';
import { notifyError } from '../../parts/copy';
import type { Planned } from './move';

/** Carries a planned move out, says what came of it, and answers whether it was done, when the pages have what it made. */
export function useMove(): (id: string, plan: Planned) => Promise<boolean> {
  const client = useQueryClient();
  return useCallback(async (id: string, plan: Planned) => {
    if (plan.refused !== undefined) {
      notifications.show({ title: 'Not moved', message: plan.refused, color: 'yellow', autoClose: 10_000 });
      return false;
    }
    try {
      const done = await reorder({ policy: id, ...plan.target });
      notifications.show({ title: done.renumbered ? 'Moved, and others renumbered' : 'Moved', message: done.message, autoClose: 8000 });
      await client.invalidateQueries();
      return true;
    } catch (thrown) {
      notifyError(thrown);
      return false;
    }
  }, [client]);
}
