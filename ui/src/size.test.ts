import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';

interface Chunk {
  file: string;
  css?: string[];
  imports?: string[];
}

/** Everything that the browser must have before it shows the first page: the entry, and what it imports not lazily. */
function firstLoad(manifest: Record<string, Chunk>): string[] {
  const files = new Set<string>();
  const visit = (key: string) => {
    const chunk = manifest[key];
    if (!chunk || files.has(chunk.file)) return;
    files.add(chunk.file);
    chunk.css?.forEach((file) => files.add(file));
    chunk.imports?.forEach(visit);
  };
  visit('index.html');
  return [...files];
}

// Vitest does not build; make test-ui has done so, and without a build there is nothing to weigh.
test.skipIf(!existsSync('dist/.vite/manifest.json'))('the first load is at most 350 kB gzipped', () => {
  const files = firstLoad(JSON.parse(readFileSync('dist/.vite/manifest.json', 'utf8')) as Record<string, Chunk>);
  expect(files.length).toBeGreaterThan(1);
  const size = files.reduce((sum, file) => sum + gzipSync(readFileSync(`dist/${file}`)).length, 0);
  console.info(`first load: ${(size / 1000).toFixed(0)} kB in ${files.length} files`);
  expect(size).toBeLessThanOrEqual(350_000);
});
