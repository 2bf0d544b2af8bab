import { useState } from 'react';

/**
 * A list of tags that shows each at once. The document with it is drawn a moment
 * later, and whoever is quick enters the next before that: it comes to the list that
 * is shown, not to the one that was drawn. `write` calls `written` when its list is
 * drawn.
 */
export function useTags(value: string[], write: (next: string[], written: () => void) => void) {
  const [own, setOwn] = useState<{ values: string[] }>();
  const onChange = (values: string[]) => {
    const mine = { values };
    setOwn(mine);
    write(values, () => setOwn((now) => (now === mine ? undefined : now)));
  };
  return { value: own?.values ?? value, onChange };
}
