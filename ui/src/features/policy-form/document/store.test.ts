import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { insertItem, readText } from './edit';
import { set } from './policy';
import { newDocumentStore } from './store';

const text = 'spec:\n  selector: a\n  order: 1\n';
const selector = (value: string) => ({ edit: () => set(['spec', 'selector'], value), topic: 'selector', written: vi.fn() });

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

it('writes what is typed once typing pauses, and tells the field', () => {
  const store = newDocumentStore(text);
  const told = vi.fn((_urgency: string, written: (() => void)[]) => written.forEach((call) => call()));
  store.subscribe(told);
  const field = {};
  store.later(field, selector('b'));
  const last = selector('bc');
  store.later(field, last);
  expect(store.history().present).toBe(text);
  vi.runAllTimers();
  expect(store.history().present).toBe(text.replace('a', 'bc'));
  expect(told).toHaveBeenCalledExactlyOnceWith('soon', [last.written]);
  expect(last.written).toHaveBeenCalledOnce();
});

it('writes what is typed before an action, and neither is lost', () => {
  const store = newDocumentStore(text);
  store.later({}, selector('b'));
  store.later({}, { edit: () => set(['spec', 'order'], 2), topic: 'order', written: vi.fn() });
  store.change({ type: 'edit', edit: (document) => insertItem(document, ['spec', 'ingress'], { action: 'Allow' }) });
  const wanted = { spec: { selector: 'b', order: 2, ingress: [{ action: 'Allow' }] } };
  expect(readText(store.history().present).value).toEqual(wanted);
  vi.runAllTimers();
  expect(readText(store.history().present).value).toEqual(wanted);
});

it('gives the text with what is typed in it', () => {
  const store = newDocumentStore(text);
  store.later({}, selector('b'));
  expect(store.text()).toContain('selector: b');
});

it('undoes what is typed though it is not written yet', () => {
  const store = newDocumentStore(text);
  store.later({}, selector('b'));
  store.change({ type: 'undo' });
  expect(store.history().present).toBe(text);
  store.change({ type: 'redo' });
  expect(store.history().present).toContain('selector: b');
});

it('does not write what cannot be', () => {
  const store = newDocumentStore(text);
  store.later({}, { edit: () => undefined, topic: 'order', written: vi.fn() });
  expect(store.text()).toBe(text);
});
