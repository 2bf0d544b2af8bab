/** A draft that outlives the page: a session that ends in the middle of an edit loses nothing. */

export interface Kept {
  text: string;
  /** When, in milliseconds since 1970. */
  at: number;
  /** The version that the edit began from; none for a new policy. */
  resourceVersion?: string;
}

/** Where drafts are kept; the browser may refuse (private windows, quota), and then nothing is. */
type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

function key(user: string, policy: string): string {
  return `tierwall:draft:${JSON.stringify([user, policy])}`;
}

export function keep(user: string, policy: string, draft: Kept, store: Store = localStorage): boolean {
  try {
    store.setItem(key(user, policy), JSON.stringify(draft));
    return true;
  } catch {
    return false;
  }
}

export function kept(user: string, policy: string, store: Store = localStorage): Kept | undefined {
  try {
    const found: unknown = JSON.parse(store.getItem(key(user, policy)) ?? 'null');
    return isKept(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

export function forget(user: string, policy: string, store: Store = localStorage): void {
  try {
    store.removeItem(key(user, policy));
  } catch {
    // What cannot be kept need not be forgotten.
  }
}

function isKept(value: unknown): value is Kept {
  return typeof value === 'object' && value !== null && 'text' in value && typeof value.text === 'string' && 'at' in value && typeof value.at === 'number';
}
