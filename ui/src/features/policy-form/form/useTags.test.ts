import { act, renderHook } from '@testing-library/react';
import { expect, test } from 'vitest';
import { useTags } from './useTags';

test('a tag that is entered before the one before it is drawn comes to it, and what is drawn counts in the end', () => {
  const drawn: (() => void)[] = [];
  const { result, rerender } = renderHook(({ value }) => useTags(value, (_, written) => drawn.push(written)), { initialProps: { value: [] as string[] } });
  act(() => result.current.onChange([...result.current.value, 'blue']));
  act(() => result.current.onChange([...result.current.value, 'green']));
  expect(result.current.value).toEqual(['blue', 'green']);
  rerender({ value: ['blue'] });
  act(() => drawn[0]?.());
  expect(result.current.value).toEqual(['blue', 'green']);
  rerender({ value: ['blue', 'green'] });
  act(() => drawn[1]?.());
  rerender({ value: ['red'] });
  expect(result.current.value).toEqual(['red']);
});
