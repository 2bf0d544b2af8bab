/** Writes of whole objects. The header is put in by the client; the types ask for it all the same. */
import { answer, api, type Schemas } from './client';
import { parseId } from './names';

const header = { header: { 'X-CSRF-Token': '' } };

/** Stores a new object; a name that is taken is an ApiError. */
export function create(yaml: string): Promise<Schemas['StoredObject']> {
  return answer(api.POST('/objects', { body: { yaml }, params: header }));
}

/** Replaces an object, if it is still the one of that resourceVersion: otherwise ApiError 409 with the present one. */
export function replace(yaml: string, resourceVersion: string): Promise<Schemas['StoredObject']> {
  return answer(api.PUT('/objects', { body: { yaml, resourceVersion }, params: header }));
}

export async function remove(id: string): Promise<void> {
  const { kind, namespace, name } = parseId(id);
  await answer(api.DELETE('/objects', { params: { ...header, query: { kind, name, ...(namespace ? { namespace } : {}) } } }));
}

export function read(id: string): Promise<Schemas['StoredObject']> {
  const { kind, namespace, name } = parseId(id);
  return answer(api.GET('/objects', { params: { query: { kind, name, ...(namespace ? { namespace } : {}) } } }));
}

/** Makes a staged policy the enforced one, or takes it away. */
export async function decideStaged(body: Schemas['StagedDecision']): Promise<void> {
  await answer(api.POST('/staged', { body, params: header }));
}

/** Puts a policy elsewhere; with dryRun, only says what that would write. */
export function reorder(move: Schemas['Move']): Promise<Schemas['Moved']> {
  return answer(api.POST('/reorder', { body: move, params: header }));
}
