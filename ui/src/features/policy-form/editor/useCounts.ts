import { useQuery } from '@tanstack/react-query';
import { useCallback, useMemo } from 'react';
import type { FlowCount, PolicyApi } from '../api';
import { identity } from '../document/copy';
import { readText } from '../document/edit';
import { fields, list } from '../document/policy';

type Direction = 'ingress' | 'egress';
export type Counted = (direction: Direction, index: number) => FlowCount | undefined;

/** The rules of a policy as texts, to find them in another version of it. */
function rulesOf(value: unknown): Record<Direction, string[]> {
  const spec = fields(fields(value).spec);
  const texts = (direction: Direction) => list(spec[direction]).map((rule) => JSON.stringify(rule));
  return { ingress: texts('ingress'), egress: texts('egress') };
}

/** What the rules of the stored policy did. A rule that is moved takes its count along; one that is edited has none until it is stored. */
export function useCounts(api: PolicyApi, stored: string | undefined, value: unknown): Counted {
  const before = useMemo(() => (stored === undefined ? undefined : { id: identity(stored).id, rules: rulesOf(readText(stored).value) }), [stored]);
  const id = before?.id;
  const now = useMemo(() => rulesOf(value), [value]);
  const { data } = useQuery({ queryKey: ['flows', 'counts', id], queryFn: ({ signal }) => api.counts(id ?? '', signal), enabled: id !== undefined, refetchInterval: 15_000, placeholderData: undefined });
  return useCallback((direction, index) => {
    const rule = now[direction][index];
    const at = before && rule !== undefined ? before.rules[direction].indexOf(rule) : -1;
    // Of equal rules the first takes everything.
    if (at < 0 || rule === undefined || now[direction].indexOf(rule) !== index) return undefined;
    return data?.find((one) => one.policy === id && one.direction === direction && one.rule === at);
  }, [before, now, data, id]);
}
