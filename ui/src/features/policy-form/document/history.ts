/** The history of a text: undo and redo. Typing in one field is one step. */

export interface History {
  past: readonly string[];
  present: string;
  future: readonly string[];
  /** What the last step was about; steps about the same thing are one. */
  topic: string | undefined;
}

/** More steps than anyone goes back, and a bound on memory. */
const depth = 200;

export function begin(text: string): History {
  return { past: [], present: text, future: [], topic: undefined };
}

/** Goes on to a text. Consecutive steps with one topic are undone together; undefined is never the same topic. */
export function step(history: History, text: string, topic?: string): History {
  if (text === history.present) return history;
  const same = topic !== undefined && topic === history.topic;
  return { past: same ? history.past : [...history.past, history.present].slice(-depth), present: text, future: [], topic };
}

export function undo(history: History): History {
  const text = history.past.at(-1);
  if (text === undefined) return history;
  return { past: history.past.slice(0, -1), present: text, future: [history.present, ...history.future], topic: undefined };
}

export function redo(history: History): History {
  const [text, ...future] = history.future;
  if (text === undefined) return history;
  return { past: [...history.past, history.present], present: text, future, topic: undefined };
}
