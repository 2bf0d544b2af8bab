import { expect, test } from 'vitest';
import { flag, list, localPath, oneOf, text, whole } from './search';

test('a parameter of another type is left out', () => {
  expect(text({ q: 80 }, 'q')).toBe('80');
  expect(text({ q: { a: 1 } }, 'q')).toBeUndefined();
  expect(list({ ns: 'blue' }, 'ns')).toEqual(['blue']);
  expect(list({ ns: [] }, 'ns')).toBeUndefined();
  expect(oneOf({ only: 'all' }, 'only', ['staged', 'unused'])).toBeUndefined();
  expect(whole({ page: -1 }, 'page')).toBeUndefined();
  expect(flag({ u: 'true' }, 'u')).toBe(true);
});

test('after login one goes to a place of these pages only', () => {
  expect(localPath({ next: '/policies?q=a' }, 'next')).toBe('/policies?q=a');
  for (const next of ['//evil.example', '/\\evil.example', 'https://evil.example', 'javascript:alert(1)']) expect(localPath({ next }, 'next')).toBeUndefined();
});
