import { configure } from '@testing-library/react';
// What Mantine asks of a browser and jsdom does not have.
import { cleanup } from '@testing-library/react';
import { afterEach } from 'vitest';

afterEach(cleanup);

window.matchMedia = (query: string) =>
  ({ matches: false, media: query, onchange: null, addEventListener() {}, removeEventListener() {}, addListener() {}, removeListener() {}, dispatchEvent: () => false }) as MediaQueryList;

window.ResizeObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
};

// Mantine measures text areas again when a font has come.
Object.defineProperty(document, 'fonts', { value: new EventTarget() });

// What is waited for is there in a moment; on a busy machine the moment is longer than the second that is waited by itself.
configure({ asyncUtilTimeout: 5000 });
