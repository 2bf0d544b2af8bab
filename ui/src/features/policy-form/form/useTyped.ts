import { useEffect, useRef, useState } from 'react';

/** Shorter than the pause before the server is asked; longer than between two letters. */
const pause = 120;

/**
 * A text field that is written to the document when typing pauses or the field is
 * left: a letter then costs one field and not the whole form.
 */
export function useTyped(value: string, write: (text: string) => void) {
  const [typed, setTyped] = useState<string>();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const latest = useRef(write);
  useEffect(() => {
    latest.current = write;
  });
  const flush = (text: string | undefined) => {
    clearTimeout(timer.current);
    if (text === undefined) return;
    latest.current(text);
    setTyped(undefined);
  };
  const onChange = (text: string) => {
    setTyped(text);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => flush(text), pause);
  };
  // Nothing is lost when the field goes while something is on its way.
  const pending = useRef<string>(undefined);
  useEffect(() => {
    pending.current = typed;
  }, [typed]);
  useEffect(
    () => () => {
      clearTimeout(timer.current);
      if (pending.current !== undefined) latest.current(pending.current);
    },
    [],
  );
  return { value: typed ?? value, onChange, onBlur: () => flush(typed) };
}
