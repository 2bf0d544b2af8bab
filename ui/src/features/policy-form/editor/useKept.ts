import { useEffect, useState } from 'react';
import { forget, keep, kept, type Kept } from './keep';

/** Keeps the text while it is not saved, and offers what an earlier page left behind. */
export function useKept(user: string, policy: string, text: string, dirty: boolean, resourceVersion: string | undefined) {
  const [offer, setOffer] = useState<Kept | undefined>(() => {
    const found = kept(user, policy);
    return found && found.text !== text ? found : undefined;
  });
  useEffect(() => {
    // An offer that is not answered is not overwritten by opening the page.
    if (offer && !dirty) return undefined;
    if (!dirty) {
      forget(user, policy);
      return undefined;
    }
    const later = setTimeout(() => keep(user, policy, { text, at: Date.now(), ...(resourceVersion === undefined ? {} : { resourceVersion }) }), 300);
    return () => clearTimeout(later);
  }, [user, policy, text, dirty, resourceVersion, offer]);
  const answer = () => {
    forget(user, policy);
    setOffer(undefined);
  };
  return { offer, answer };
}
