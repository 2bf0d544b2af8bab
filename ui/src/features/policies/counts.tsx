import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { createContext, useContext, useMemo, type ReactNode } from 'react';
import type { Schemas } from '../../api/client';
import { countsQuery } from '../../api/queries';

interface Sum {
  allowed: number;
  denied: number;
  last: string;
}

const Sums = createContext<Map<string, Sum>>(new Map());

/** What each policy did in the last hour, for the cards under it; nothing where flows are not kept or may not be seen. */
export function PolicyCounts({ children }: { children: ReactNode }) {
  const query = useQuery(countsQuery);
  const sums = useMemo(() => sumUp(query.data?.counts ?? []), [query.data]);
  return <Sums.Provider value={sums}>{children}</Sums.Provider>;
}

/** Sums by policy; what a staged policy would have done is counted as the staged policy's. */
export function sumUp(counts: Schemas['FlowCount'][]): Map<string, Sum> {
  const all = new Map<string, Sum>();
  for (const one of counts) {
    if (!one.policy) continue;
    const sum = all.get(one.policy) ?? { allowed: 0, denied: 0, last: '' };
    all.set(one.policy, { allowed: sum.allowed + one.allowed, denied: sum.denied + one.denied, last: one.last > sum.last ? one.last : sum.last });
  }
  return all;
}

export function PolicyCount({ id }: { id: string }) {
  const sum = useContext(Sums).get(id);
  if (!sum || sum.allowed + sum.denied === 0) return null;
  return <Text size="xs"><Link to="/flows" search={{ policy: id }}>Last hour: {sum.allowed.toLocaleString('en')} allowed, {sum.denied.toLocaleString('en')} denied</Link>, last at {new Date(sum.last).toLocaleTimeString('en-GB')}</Text>;
}
