/**
 * The document that is edited, as the one place that has the latest text. What is
 * typed reaches it a moment later, but always before anything else does: no action
 * works on a text without the last letters, and no letters overwrite an action.
 */
import { editText, type Edit } from './edit';
import { begin, redo, step, undo, type History } from './history';

export type Change =
  | { type: 'text'; text: string; topic?: string }
  | { type: 'edit'; edit: Edit; topic?: string }
  | { type: 'undo' }
  | { type: 'redo' };

/** What a field has typed and not written yet. */
interface Waiting {
  edit: () => Edit | undefined;
  topic: string;
  /** Told when it is written: the field shows the document again. */
  written: () => void;
}

/** How a change is drawn: at once, as for a click, or when there is time, as for typing. */
export type Urgency = 'now' | 'soon';

export interface DocumentStore {
  history: () => History;
  /** The text with everything in it that has been typed. */
  text: () => string;
  /** Writes what is typed, then makes the change. */
  change: (change: Change) => void;
  /** Remembers what a field has typed, until typing pauses or anything else happens. One edit for each field: the last. */
  later: (field: object, waiting: Waiting) => void;
  /** Writes what is typed. */
  flush: () => void;
  subscribe: (listener: (urgency: Urgency, written: (() => void)[]) => void) => () => void;
}

/** Longer than between two letters, shorter than anybody waits, in milliseconds. */
const pause = 120;

export function newDocumentStore(initial: string): DocumentStore {
  let history = begin(initial);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const typed = new Map<object, Waiting>();
  const listeners = new Set<(urgency: Urgency, written: (() => void)[]) => void>();

  function writeTyped(): (() => void)[] {
    clearTimeout(timer);
    const fields = [...typed.values()];
    typed.clear();
    for (const { edit, topic } of fields) {
      const wanted = edit();
      if (wanted) history = step(history, editText(history.present, wanted), topic);
    }
    return fields.map(({ written }) => written);
  }
  function tell(urgency: Urgency, written: (() => void)[]) {
    for (const listener of listeners) listener(urgency, written);
  }
  function flush() {
    if (typed.size > 0) tell('soon', writeTyped());
  }
  return {
    history: () => history,
    text: () => {
      flush();
      return history.present;
    },
    change: (change) => {
      const written = writeTyped();
      history = next(history, change);
      tell('now', written);
    },
    later: (field, waiting) => {
      typed.set(field, waiting);
      clearTimeout(timer);
      timer = setTimeout(flush, pause);
    },
    flush,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function next(history: History, change: Change): History {
  switch (change.type) {
    case 'text':
      return step(history, change.text, change.topic);
    case 'edit':
      return step(history, editText(history.present, change.edit), change.topic);
    case 'undo':
      return undo(history);
    case 'redo':
      return redo(history);
  }
}
