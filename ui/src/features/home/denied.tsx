import { List, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { deniedQuery } from '../../api/queries';
import { Empty } from '../../parts/query-view';
import { endRef, portOf, type Flow } from '../flows/words';

/** Who was denied most in the last hour, among the newest flows. */
export function DeniedMost() {
  const query = useQuery(deniedQuery);
  if (!query.data?.available) return <Empty title="Not known">{query.data?.reason ?? query.error?.message ?? 'asking'}</Empty>;
  const pairs = deniedPairs(query.data.records);
  if (pairs.length === 0) return <Empty title="None">Nothing was denied in the last hour.</Empty>;
  return (
    <>
      <List>{pairs.slice(0, 5).map((one) => <List.Item key={one.text}>{one.text}: {one.attempts.toLocaleString('en')} {one.attempts === 1 ? 'attempt' : 'attempts'}</List.Item>)}</List>
      <Text size="sm" mt={4}><Link to="/flows" search={{ verdict: 'deny', since: '1h' }}>All that was denied in the last hour</Link></Text>
    </>
  );
}

/** Attempts by who, to whom and on which port, most first. Both nodes may tell of one attempt: only one of them denies it. */
export function deniedPairs(flows: Flow[]): { text: string; attempts: number }[] {
  const sums = new Map<string, number>();
  for (const flow of flows) {
    const text = `${endRef(flow.source)} to ${endRef(flow.destination)} ${portOf(flow)}`;
    sums.set(text, (sums.get(text) ?? 0) + flow.connections);
  }
  return [...sums].map(([text, attempts]) => ({ text, attempts })).sort((a, b) => b.attempts - a.attempts);
}
