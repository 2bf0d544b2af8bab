import { startTransition, useCallback, useEffect, useState } from 'react';
import type { Edit } from '../document/edit';
import { newDocumentStore } from '../document/store';
import { whenReleased } from './press';

/** The document that is edited, and its history as it is drawn. */
export function useDocument(initial: string) {
  const [store] = useState(() => newDocumentStore(initial));
  const [history, setHistory] = useState(store.history);
  useEffect(() => {
    const stop = store.subscribe((urgency, written) => {
      const draw = () => {
        setHistory(store.history());
        for (const call of written) call();
      };
      // Letters can wait for the rest of the form to be drawn; who clicks cannot.
      whenReleased(urgency === 'now' ? draw : () => startTransition(draw));
    });
    return () => {
      store.flush();
      stop();
    };
  }, [store]);
  /** Applies an edit; edits with the same topic in a row are undone together. */
  const apply = useCallback((edit: Edit, topic?: string) => store.change(topic === undefined ? { type: 'edit', edit } : { type: 'edit', edit, topic }), [store]);
  return { store, history, apply };
}
