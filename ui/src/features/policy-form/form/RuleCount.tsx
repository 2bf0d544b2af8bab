import { Text } from '@mantine/core';
import type { FlowCount } from '../api';
import { useForm } from './context';

/** What a stored rule did in the last hour; nothing where it did nothing, or is not stored as it stands here. */
export function RuleCount({ direction, index }: { direction: 'ingress' | 'egress'; index: number }) {
  const count = useForm().counted(direction, index);
  const words = count && countInWords(count);
  if (!words) return null;
  return <Text size="xs" c="dimmed">Last hour: {words}, last at <time dateTime={count.last}>{new Date(count.last).toLocaleTimeString('en-GB')}</time></Text>;
}

/** "12 allowed, 3 passed on"; empty for none. */
export function countInWords({ allowed, denied, passed, logged, pending }: FlowCount): string {
  const words = ([[allowed, 'allowed'], [denied, 'denied'], [passed, 'passed on'], [logged, 'logged']] as const).filter(([count]) => count > 0).map(([count, word]) => `${count.toLocaleString('en')} ${word}`);
  return words.length > 0 && pending ? `${words.join(', ')} if it were enforced` : words.join(', ');
}
