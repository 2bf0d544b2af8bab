import { useCallback, useState } from 'react';
import { asApiError, errorWord, type ApiError, type PolicyApi, type StoredObject } from '../api';
import { identity } from '../document/copy';

/** How often a version that is only newer is taken for what was read. */
const tries = 3;

/**
 * Replaces what was read. The server's own notes on an object (whether it is accepted) make a new version
 * of it, too: where nothing else has changed since, that is no conflict.
 */
async function replace(api: PolicyApi, text: string, base: StoredObject): Promise<StoredObject> {
  let version = base.resourceVersion;
  for (let left = tries; ; left--) {
    try {
      return await api.update(text, version);
    } catch (thrown) {
      const error = asApiError(thrown);
      const current = errorWord(error) === 'conflict' ? error.problem?.current : undefined;
      if (!current || current.yaml !== base.yaml || left === 1) throw error;
      version = current.resourceVersion;
    }
  }
}

/** Writing the text to the cluster, and what came of it. */
export function useSave(api: PolicyApi, initial: StoredObject | undefined, onSaved: (id: string) => void) {
  const [stored, setStored] = useState(initial);
  // The text as it was when it was saved: the API gives it back without comments and with fields of its own.
  const [savedText, setSavedText] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<ApiError>();
  const run = useCallback(
    /** Undefined for success; an error is remembered, unless it is shown elsewhere. */
    (text: string, write: () => Promise<StoredObject>, aside = false): Promise<ApiError | undefined> => {
      setBusy(true);
      setRefusal(undefined);
      return write()
        .then(
          (object) => {
            setStored(object);
            setSavedText(text);
            onSaved(identity(object.yaml).id);
            return undefined;
          },
          (thrown: unknown) => {
            const error = asApiError(thrown);
            if (!aside) setRefusal(error);
            return error;
          },
        )
        .finally(() => setBusy(false));
    },
    [onSaved],
  );
  const conflict = refusal && ['conflict', 'exists'].includes(errorWord(refusal)) ? refusal.problem?.current : undefined;
  return {
    stored,
    savedText,
    busy,
    refusal,
    /** What somebody else has saved meanwhile. */
    conflict,
    save: (text: string) => void run(text, () => (stored ? replace(api, text, stored) : api.create(text))),
    /** Stores a copy; what is edited stays what it is if that fails. The error is the caller's to show. */
    create: (text: string) => run(text, () => api.create(text), true),
    /** Replaces what is there by this text: what is there has been shown. */
    overwrite: (text: string) => conflict && void run(text, () => api.update(text, conflict.resourceVersion)),
    /** Goes on from what is there. */
    adopt: (object: StoredObject) => {
      setStored(object);
      setSavedText(object.yaml);
      setRefusal(undefined);
    },
    clear: () => setRefusal(undefined),
  };
}
