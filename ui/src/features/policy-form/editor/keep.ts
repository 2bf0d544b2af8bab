/**
 * Drafts that outlive the page: a session that ends in the middle of an edit loses
 * nothing. A draft is of one user and one policy, or, for a policy that is not there
 * yet, of one page: two that are being created have nothing to do with each other.
 */

export interface Kept {
  text: string;
  /** When, in milliseconds since 1970. */
  at: number;
  /** The version that the edit began from; none for a new policy. */
  resourceVersion?: string;
}

/** What a draft is of. */
export type Slot = string;

/** Where drafts are kept; the browser may refuse (private windows, quota), and then nothing is. */
type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>;

const prefix = 'tierwall:draft:';

function key(user: string, slot: Slot): string {
  return prefix + JSON.stringify([user, slot]);
}

/** The slot of a policy that is stored. */
export function policySlot(id: string): Slot {
  return id;
}

/** A slot of its own for a policy that is being created. */
export function newSlot(): Slot {
  return `new ${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`;
}

export function keep(user: string, slot: Slot, draft: Kept, store: Store = localStorage): boolean {
  try {
    store.setItem(key(user, slot), JSON.stringify(draft));
    return true;
  } catch {
    return false;
  }
}

export function kept(user: string, slot: Slot, store: Store = localStorage): Kept | undefined {
  try {
    const found: unknown = JSON.parse(store.getItem(key(user, slot)) ?? 'null');
    return isKept(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

/** The drafts of policies that the user began to create, the latest first. */
export function keptNew(user: string, store: Store = localStorage): { slot: Slot; draft: Kept }[] {
  const found: { slot: Slot; draft: Kept }[] = [];
  try {
    for (let at = 0; at < store.length; at++) {
      const slot = newSlotOf(store.key(at), user);
      const draft = slot === undefined ? undefined : kept(user, slot, store);
      if (slot !== undefined && draft) found.push({ slot, draft });
    }
  } catch {
    // A store that cannot be read has nothing to offer.
  }
  return found.sort((a, b) => b.draft.at - a.draft.at);
}

function newSlotOf(name: string | null, user: string): Slot | undefined {
  if (!name?.startsWith(prefix)) return undefined;
  const parts: unknown = JSON.parse(name.slice(prefix.length));
  if (!Array.isArray(parts) || parts[0] !== user || typeof parts[1] !== 'string' || !parts[1].startsWith('new ')) return undefined;
  return parts[1];
}

export function forget(user: string, slot: Slot, store: Store = localStorage): void {
  try {
    store.removeItem(key(user, slot));
  } catch {
    // What cannot be kept need not be forgotten.
  }
}

function isKept(value: unknown): value is Kept {
  return typeof value === 'object' && value !== null && 'text' in value && typeof value.text === 'string' && 'at' in value && typeof value.at === 'number';
}
