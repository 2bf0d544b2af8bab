/** Words about what is known of domain names. */
import type { Schemas } from '../../api/client';

/** How many names a set's domains stand for now; a name that two of them have counts twice. */
export function known(domains: readonly Schemas['SetDomain'][]): string {
  const names = domains.reduce((sum, one) => sum + one.names.length + one.more, 0);
  if (names === 0) return 'no name known';
  return names === 1 ? '1 name known' : `${names.toLocaleString('en')} names known`;
}

/** How long an address counts, seen at `now` in milliseconds. */
export function until(expires: string, now: number): string {
  const seconds = Math.round((Date.parse(expires) - now) / 1000);
  if (seconds <= 0) return 'as long as a connection uses it';
  if (seconds < 120) return `${seconds} s more`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min more` : `${Math.round(seconds / 3600)} h more`;
}
