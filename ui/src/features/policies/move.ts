/** Where a policy can be put: what the keys, the drag and the dialog have in common. */
import type { Schemas } from '../../api/client';
import { shortName } from '../../api/names';

type Tier = Schemas['BoardTier'];
export interface Target { tier: string; before?: string; after?: string }
export type Step = 'up' | 'down' | 'left' | 'right';
export type Planned = { target: Target; refused?: undefined } | { target?: undefined; refused: string };

/** Why nothing can be put into this tier just now: a filter hides what would be between. */
export function hiddenReason(tier: Tier): string | undefined {
  const hidden = tier.total - tier.policies.length;
  return hidden > 0 ? `The filter hides ${hidden} of the ${tier.total} policies of tier ${tier.name}, so what is between is not to be seen. Clear the filter first.` : undefined;
}

/** Where one step in a direction leads, or why there is none. */
export function planStep(tiers: readonly Tier[], id: string, step: Step): Planned {
  const at = tiers.findIndex((tier) => tier.policies.some((policy) => policy.id === id));
  const tier = tiers[at];
  if (!tier) return { refused: `${shortName(id)} is not on the board.` };
  if (step === 'left' || step === 'right') {
    const other = tiers[at + (step === 'left' ? -1 : 1)];
    return other ? planInto(other) : { refused: `There is no tier ${step === 'left' ? 'before' : 'after'} ${tier.name}.` };
  }
  const reason = hiddenReason(tier);
  if (reason) return { refused: reason };
  const index = tier.policies.findIndex((policy) => policy.id === id);
  const neighbour = tier.policies[index + (step === 'up' ? -1 : 1)];
  if (!neighbour) return { refused: `${shortName(id)} is the ${step === 'up' ? 'first' : 'last'} of tier ${tier.name} already.` };
  return { target: step === 'up' ? { tier: tier.name, before: neighbour.id } : { tier: tier.name, after: neighbour.id } };
}

/** Before a policy of the tier, or last in it. */
export function planInto(tier: Tier, before?: string): Planned {
  const reason = hiddenReason(tier) ?? (tier.missing ? `Tier ${tier.name} does not exist.` : undefined);
  return reason ? { refused: reason } : { target: { tier: tier.name, ...(before ? { before } : {}) } };
}
