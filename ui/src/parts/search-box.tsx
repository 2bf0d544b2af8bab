import { TextInput, type TextInputProps } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useEffect, useState } from 'react';

/** A text field whose value goes to the URL shortly after one stops typing. */
export function SearchBox({ value, onSearch, ...rest }: { value: string | undefined; onSearch: (value: string | undefined) => void } & Omit<TextInputProps, 'value' | 'onChange'>) {
  const [text, setText] = useState(value ?? '');
  const send = useDebouncedCallback((next: string) => onSearch(next || undefined), 120);
  // The address changed by other means: a link, or back.
  useEffect(() => setText(value ?? ''), [value]);
  return <TextInput {...rest} value={text} onChange={(event) => {
    setText(event.currentTarget.value);
    send(event.currentTarget.value);
  }} />;
}
