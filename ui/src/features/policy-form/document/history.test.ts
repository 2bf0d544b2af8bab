import fc from 'fast-check';
import { expect, it } from 'vitest';
import { begin, redo, step, undo } from './history';

it('goes back the way it came, and forth again', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string(), { minLength: 2, maxLength: 30 }), ([first = '', ...rest]) => {
      let history = rest.reduce((h, text) => step(h, text), begin(first));
      const end = history.present;
      rest.forEach(() => (history = undo(history)));
      expect(history.present).toBe(first);
      expect(undo(history)).toBe(history);
      rest.forEach(() => (history = redo(history)));
      expect(history.present).toBe(end);
      expect(redo(history)).toBe(history);
    }),
  );
});

it('takes typing in one field back at once', () => {
  let history = step(step(step(begin(''), 'a', 'name'), 'ab', 'name'), 'ab c', 'tier');
  history = undo(history);
  expect(history.present).toBe('ab');
  expect(undo(history).present).toBe('');
});

it('forgets what was undone when one goes on elsewhere', () => {
  const history = step(undo(step(begin('a'), 'b')), 'c');
  expect(redo(history)).toBe(history);
});
