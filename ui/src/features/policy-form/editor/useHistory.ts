import { useCallback, useReducer } from 'react';
import { begin, redo, step, undo, type History } from '../document/history';
import { editText, type Edit } from '../document/edit';

export type Change =
  | { type: 'text'; text: string; topic?: string }
  | { type: 'edit'; edit: Edit; topic?: string }
  | { type: 'restart'; text: string }
  | { type: 'undo' }
  | { type: 'redo' };

function reduce(history: History, change: Change): History {
  switch (change.type) {
    case 'text':
      return step(history, change.text, change.topic);
    case 'edit':
      return step(history, editText(history.present, change.edit), change.topic);
    case 'restart':
      return begin(change.text);
    case 'undo':
      return undo(history);
    case 'redo':
      return redo(history);
  }
}

/** The document that is edited, and its history. */
export function useHistory(initial: string) {
  const [history, change] = useReducer(reduce, initial, begin);
  /** Applies an edit; edits with the same topic in a row are undone together. */
  const apply = useCallback((edit: Edit, topic?: string) => change(topic === undefined ? { type: 'edit', edit } : { type: 'edit', edit, topic }), []);
  return { history, change, apply };
}
