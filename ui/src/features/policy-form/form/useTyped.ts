import { useEffect, useRef, useState } from 'react';
import type { Edit } from '../document/edit';
import { useForm } from './context';

/**
 * A text field that shows what is typed at once, and is written to the document when
 * typing pauses, the field is left, or anything else is done: a letter costs one field
 * and not the whole form. `edit` makes the edit of a text; undefined writes nothing.
 * `written` is called when the document with it is drawn.
 */
export function useTyped(value: string, topic: string, edit: (text: string) => Edit | undefined, written?: () => void) {
  const { later, flush } = useForm();
  const [typed, setTyped] = useState<string>();
  const field = useRef({});
  const latest = useRef({ edit, written });
  useEffect(() => {
    latest.current = { edit, written };
  });
  const onChange = (text: string) => {
    setTyped(text);
    later(field.current, {
      edit: () => latest.current.edit(text),
      topic,
      written: () => {
        setTyped(undefined);
        latest.current.written?.();
      },
    });
  };
  return { value: typed ?? value, onChange, onBlur: flush };
}
