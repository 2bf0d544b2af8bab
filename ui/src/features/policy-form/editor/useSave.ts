import { useCallback, useState } from 'react';
import { asApiError, errorWord, type ApiError, type PolicyApi, type StoredObject } from '../api';
import { identity } from '../document/copy';

/** Writing the text to the cluster, and what came of it. */
export function useSave(api: PolicyApi, initial: StoredObject | undefined, onSaved: (id: string) => void) {
  const [stored, setStored] = useState(initial);
  // The text as it was when it was saved: the API gives it back without comments and with fields of its own.
  const [savedText, setSavedText] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<ApiError>();
  const run = useCallback(
    (text: string, write: () => Promise<StoredObject>) => {
      setBusy(true);
      setRefusal(undefined);
      write()
        .then(
          (object) => {
            setStored(object);
            setSavedText(text);
            onSaved(identity(object.yaml).id);
          },
          (thrown: unknown) => setRefusal(asApiError(thrown)),
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
    save: (text: string) => run(text, () => (stored ? api.update(text, stored.resourceVersion) : api.create(text))),
    create: (text: string) => run(text, () => api.create(text)),
    /** Replaces what is there by this text: what is there has been shown. */
    overwrite: (text: string) => conflict && run(text, () => api.update(text, conflict.resourceVersion)),
    /** Goes on from what is there. */
    adopt: (object: StoredObject) => {
      setStored(object);
      setSavedText(object.yaml);
      setRefusal(undefined);
    },
    clear: () => setRefusal(undefined),
  };
}
