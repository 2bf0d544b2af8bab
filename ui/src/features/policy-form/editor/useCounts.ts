import { useQuery } from '@tanstack/react-query';
import { useCallback, useMemo } from 'react';
import type { FlowCount, PolicyApi } from '../api';
import { identity } from '../document/copy';
import { readText } from '../document/edit';
import { fields, list } from '../document/policy';

type Direction = 'ingress' | 'egress';
export type Counted = (direction: Direction, index: number) => FlowCount | undefined;

function rulesOf(value: unknown, direction: Direction): string[] {
  return list(fields(fields(value).spec)[direction]).map((rule) => JSON.stringify(rule));
}

/** What the rules of the stored policy did. A rule that is moved takes its count along; one that is edited has none until it is stored. */
export function useCounts(api: PolicyApi, stored: string | undefined, value: unknown): Counted {
  const before = useMemo(() => (stored === undefined ? undefined : { id: identity(stored).id, value: readText(stored).value }), [stored]);
  const id = before?.id;
  const { data } = useQuery({ queryKey: ['flows', 'counts', id], queryFn: ({ signal }) => api.counts(id ?? '', signal), enabled: id !== undefined, refetchInterval: 15_000, placeholderData: undefined });
  return useCallback((direction, index) => {
    const rule = rulesOf(value, direction)[index];
    const at = rule === undefined ? -1 : rulesOf(before?.value, direction).indexOf(rule);
    // Of equal rules the first takes everything.
    if (at < 0 || rulesOf(value, direction).indexOf(rule ?? '') !== index) return undefined;
    return data?.find((one) => one.policy === id && one.direction === direction && one.rule === at);
  }, [before, value, data, id]);
}
