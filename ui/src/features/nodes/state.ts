import type { Schemas } from '../../api/client';

const signs: Record<Schemas['NodeStatus']['state'], string> = { 'in step': '✓', behind: '⚠', silent: '…', 'no agent': '✕' };

/** A sign for the state, beside its word. */
export function stateSign(state: Schemas['NodeStatus']['state']): string {
  return signs[state];
}

/** How long it is since a moment, in the two largest units; a moment to come is now. */
export function forHowLong(since: string, now: number): string {
  let left = Math.max(0, Math.floor((now - Date.parse(since)) / 1000));
  const parts: string[] = [];
  for (const [seconds, unit] of [[86_400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']] as const) {
    const n = Math.floor(left / seconds);
    left -= n * seconds;
    if (n > 0) parts.push(`${n} ${unit}`);
    else if (parts.length > 0) break;
  }
  return parts.slice(0, 2).join(' ') || '0 s';
}

/** How many of how many are in step, and how many have a warning. */
export function stateWords({ nodes, inStep }: Pick<Schemas['NodeList'], 'nodes' | 'inStep'>): string {
  const warned = nodes.filter((node) => node.warning).length;
  const step = inStep === nodes.length ? `All ${nodes.length.toLocaleString('en')} nodes are in step` : `${inStep.toLocaleString('en')} of ${nodes.length.toLocaleString('en')} nodes are in step`;
  return `${nodes.length === 1 && inStep === 1 ? 'The only node is in step' : step}${warned > 0 ? `; ${warned.toLocaleString('en')} ${warned === 1 ? 'has' : 'have'} a warning` : ''}.`;
}
