import { useEffect, useRef, useState } from 'react';
import { forget, keep, kept, keptNew, newSlot, policySlot, type Kept, type Slot } from './keep';

export interface Offer {
  slot: Slot;
  draft: Kept;
}

/** How soon after a change it is kept, in milliseconds. */
const pause = 300;

/**
 * Keeps the text while it is not saved, and offers what earlier pages left behind: of
 * the policy with that id, or of any that was being created.
 */
export function useKept(user: string, id: string | undefined, text: string, dirty: boolean, resourceVersion: string | undefined) {
  const [slot] = useState(() => (id === undefined ? newSlot() : policySlot(id)));
  const [offers, setOffers] = useState<Offer[]>(() => {
    if (id === undefined) return keptNew(user);
    const found = kept(user, slot);
    return found && found.text !== text ? [{ slot, draft: found }] : [];
  });
  const waiting = useRef<() => void>(undefined);
  const offered = offers.some((offer) => offer.slot === slot);
  useEffect(() => {
    // An offer that is not answered is not overwritten by opening the page.
    if (offered && !dirty) return undefined;
    if (!dirty) {
      forget(user, slot);
      return undefined;
    }
    const write = () => {
      waiting.current = undefined;
      keep(user, slot, { text, at: Date.now(), ...(resourceVersion === undefined ? {} : { resourceVersion }) });
    };
    waiting.current = write;
    const later = setTimeout(write, pause);
    return () => clearTimeout(later);
  }, [user, slot, text, dirty, resourceVersion, offered]);
  useEffect(() => {
    const write = () => waiting.current?.();
    // The page can go before the pause is over.
    window.addEventListener('pagehide', write);
    return () => {
      window.removeEventListener('pagehide', write);
      write();
    };
  }, []);
  return {
    offers,
    /** Takes an offer off the list, and what it offered out of the browser. */
    answer: (offer: Offer) => {
      forget(user, offer.slot);
      setOffers((all) => all.filter((one) => one.slot !== offer.slot));
    },
    /** What was kept is stored now. */
    done: () => {
      waiting.current = undefined;
      forget(user, slot);
    },
  };
}
