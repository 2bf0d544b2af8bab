import { expect, it } from 'vitest';
import type { Cluster, Matches } from '../api';
import { arrange, countWords, marker, sizeOf, takenOf } from './marks';

const group = (namespace: string, tier: string, refs: string[], node = 'node-1') => ({ node, namespace, labels: { 'app/tier': tier, 'projectcalico.org/namespace': namespace }, serviceAccount: 'default', count: refs.length, refs });
const cluster = {
  namespaces: [{ name: 'blue' }, { name: 'red' }],
  pods: [group('blue', 'FE', ['blue/fe-1']), group('blue', 'FE', ['blue/fe-2'], 'node-2'), group('blue', 'BE', ['blue/be-1'])],
  hostEndpoints: [{ ref: 'hep:hep-1' }],
  networkSets: [{ kind: 'NetworkSet', namespace: 'blue', name: 's' }, { kind: 'GlobalNetworkSet', name: 'g' }],
} as unknown as Cluster;

const matches = (refs: string[], more: Partial<Matches> = {}): Matches => ({ anything: false, count: refs.length, refs, ...more });
const marks = (given: Matches | undefined) => arrange(cluster).flatMap((box) => box.items.map((item) => [box.title, item.label, marker(given)(item), item.count]));

it('marks what is taken in, over all nodes', () => {
  expect(marks(matches(['blue/fe-1', 'blue/fe-2', 'networkset:blue/s', 'hep:hep-1']))).toEqual([
    ['Host endpoints', 'hep-1', 1, 1],
    ['Global network sets', 'g', 0, 1],
    ['blue', 'app/tier: FE', 2, 2],
    ['blue', 'app/tier: BE', 0, 1],
    ['blue', 's', 1, 1],
  ]);
});

it('marks all of it for anything', () => {
  expect(marks(matches([], { anything: true })).every(([, , taken, count]) => taken === count)).toBe(true);
});

it('claims nothing that the server has not said', () => {
  expect(marks(undefined).every(([, , taken]) => taken === undefined)).toBe(true);
  const cut = marks(matches(['blue/be-1'], { count: 900 }));
  expect(cut).toContainEqual(['blue', 'app/tier: BE', 1, 1]);
  expect(cut).toContainEqual(['blue', 'app/tier: FE', undefined, 2]);
});

it('says of a box how many are taken in, by namespace where the list is cut', () => {
  const boxes = (given: Matches | undefined) => arrange(cluster).map((box) => [box.title, takenOf(box, marker(given), given), sizeOf(box)]);
  expect(boxes(matches(['blue/fe-1', 'networkset:blue/s']))).toEqual([['Host endpoints', 0, 1], ['Global network sets', 0, 1], ['blue', 2, 4]]);
  expect(boxes(undefined)[2]).toEqual(['blue', undefined, 4]);
  expect(boxes(matches(['networkset:blue/s'], { count: 900, pods: { blue: 2 } }))[2]).toEqual(['blue', 3, 4]);
  expect(boxes(matches([], { count: 900, pods: { blue: 2 } }))[2]).toEqual(['blue', undefined, 4]);
});

it('says numbers in words', () => {
  expect(countWords(matches(['blue/fe-1', 'hep:h', 'networkset:blue/s', 'globalnetworkset:g']))).toBe('1 pod, 1 host endpoint, 2 network sets');
  expect(countWords(matches([]))).toBe('nothing that is there now');
  expect(countWords(matches(['a/b'], { count: 7000 }))).toBe('7000 endpoints and network sets');
});
