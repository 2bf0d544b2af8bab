/** What of the board a filter leaves. The server does the same for the table (filter.shows of policies.go): names, tiers and selectors, and no words of sentences. */
import type { Schemas } from '../../api/client';

type Card = Schemas['PolicyCard'];
type Tier = Schemas['BoardTier'];

export interface BoardFilter {
  q?: string | undefined;
  tier?: string[] | undefined;
  kind?: string[] | undefined;
  namespace?: string[] | undefined;
  only?: 'problems' | 'staged' | 'unused' | undefined;
}

/** What each policy is found by, made once for a board. */
export type Index = ReadonlyMap<Card, Found>;

interface Found {
  text: string;
  id: string;
}

const plain = (text: string) => text.toLowerCase().replaceAll('"', "'");

export function indexOf(tiers: readonly Tier[]): Index {
  // No word has a line's end in it, so none is found across two of these.
  return new Map(tiers.flatMap((tier) => tier.policies.map((card): [Card, Found] => [card, { text: plain([card.namespace, card.name, card.tier, card.selector].join('\n')), id: plain(card.id) }])));
}

/** A word with a slash may be of the whole name as commands write it, Kind/namespace/name. */
function finds(word: string, found: Found | undefined): boolean {
  return found !== undefined && (found.text.includes(word) || (word.includes('/') && found.id.includes(word)));
}

/** The tiers that are asked for, each with the policies that are; those that nothing is left of are there without policies. */
export function filterTiers(tiers: readonly Tier[], index: Index, { q, tier, kind, namespace, only }: BoardFilter): Tier[] {
  const words = plain(q ?? '').split(/\s+/).filter(Boolean);
  const shows = (card: Card) => words.every((word) => finds(word, index.get(card)))
    && (!kind || kind.includes(card.kind)) && (!namespace || namespace.includes(card.namespace ?? ''))
    && (only !== 'problems' || card.problems.length > 0) && (only !== 'staged' || card.staged) && (only !== 'unused' || card.endpoints === 0);
  const asked = tier ? tiers.filter((one) => tier.includes(one.name)) : [...tiers];
  if (words.length === 0 && !kind && !namespace && !only) return asked;
  return asked.map((one) => {
    const policies = one.policies.filter(shows);
    return policies.length === one.policies.length ? one : { ...one, policies };
  });
}
