import { TextInput, type TextInputProps } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useEffect, useRef, useState } from 'react';

/** A text field whose value goes to the URL shortly after one stops typing; `onType` is told each letter. */
export function SearchBox({ value, onSearch, onType, ...rest }: { value: string | undefined; onSearch: (value: string | undefined) => void; onType?: (value: string) => void } & Omit<TextInputProps, 'value' | 'onChange'>) {
  const [text, setText] = useState(value ?? '');
  const sent = useRef(value);
  const send = useDebouncedCallback((next: string) => {
    sent.current = next || undefined;
    onSearch(next || undefined);
  }, 120);
  // The address changed by other means: a link, or back. What was sent comes back when more may have been typed.
  useEffect(() => {
    if (value !== sent.current) setText(value ?? '');
    sent.current = value;
  }, [value]);
  return <TextInput {...rest} value={text} onChange={(event) => {
    setText(event.currentTarget.value);
    onType?.(event.currentTarget.value);
    send(event.currentTarget.value);
  }} />;
}
