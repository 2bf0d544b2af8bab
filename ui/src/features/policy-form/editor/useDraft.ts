import { startTransition, useEffect, useRef, useState } from 'react';
import { asApiError, errorWord, type ApiError, type Draft, type PolicyApi } from '../api';
import { whenReleased } from './press';

export interface DraftState {
  draft: Draft | undefined;
  /** The text that the draft is of. Another one than is edited: the answer is being waited for. */
  of: string;
  /** Why there is no answer to the present text. */
  error: ApiError | undefined;
}

/** Long enough not to ask for every letter, short enough to feel live. */
const pause = 250;
/** How soon to ask again when the server was away. */
const retry = 5000;

/** What the server says of a text, asked when typing pauses. Answers to an older text are dropped. */
export function useDraft(api: PolicyApi, text: string): DraftState {
  const [state, setState] = useState<DraftState>({ draft: undefined, of: '', error: undefined });
  const [attempt, setAttempt] = useState(0);
  const first = useRef(true);
  useEffect(() => {
    const controller = new AbortController();
    let again: ReturnType<typeof setTimeout> | undefined;
    // An answer redraws all of the form: it waits for letters and for clicks.
    const draw = (next: (old: DraftState) => DraftState) => whenReleased(() => startTransition(() => {
      if (!controller.signal.aborted) setState(next);
    }));
    const ask = setTimeout(
      () => {
        first.current = false;
        api.draft(text, controller.signal).then(
          (draft) => draw(() => ({ draft, of: text, error: undefined })),
          (thrown: unknown) => {
            if (controller.signal.aborted) return;
            const error = asApiError(thrown);
            draw((old) => ({ ...old, error }));
            if (errorWord(error) === 'away') again = setTimeout(() => setAttempt((n) => n + 1), retry);
          },
        );
      },
      first.current ? 0 : pause,
    );
    return () => {
      controller.abort();
      clearTimeout(ask);
      clearTimeout(again);
    };
  }, [api, text, attempt]);
  return state;
}
