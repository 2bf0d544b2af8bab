/** What the policy editor asks of the server, as one small interface: the tests give another. */
import { answer, api, ApiError, type Schemas } from '../../api/client';

export { ApiError };
export type Draft = Schemas['Draft'];
export type DraftRule = Schemas['DraftRule'];
export type Matches = Schemas['Matches'];
export type FieldProblem = Schemas['FieldProblem'];
export type Warning = Schemas['Warning'];
export type Preview = Schemas['Preview'];
export type PreviewFlows = Schemas['PreviewFlows'];
export type FlowCount = Schemas['FlowCount'];
export type Cluster = Schemas['Cluster'];
export type StoredObject = Schemas['StoredObject'];
export type Problem = Schemas['Problem'];
export type LabelKey = Schemas['LabelKey'];
export type Tier = Schemas['Tier'];
export type SelectKind = Schemas['SelectKind'];
export type Namespace = Schemas['Namespace'];

export interface PolicyApi {
  draft(yaml: string, signal: AbortSignal): Promise<Draft>;
  preview(yaml: string, signal: AbortSignal): Promise<Preview>;
  previewFlows(yaml: string, signal: AbortSignal): Promise<PreviewFlows>;
  /** What the rules of a stored policy did in the last hour; empty if that is not kept or may not be seen. */
  counts(policy: string, signal: AbortSignal): Promise<FlowCount[]>;
  cluster(signal: AbortSignal): Promise<Cluster>;
  tiers(signal: AbortSignal): Promise<Tier[]>;
  namespaces(signal: AbortSignal): Promise<Namespace[]>;
  labels(of: SelectKind | undefined, signal: AbortSignal): Promise<LabelKey[]>;
  object(kind: string, namespace: string, name: string, signal: AbortSignal): Promise<StoredObject>;
  create(yaml: string): Promise<StoredObject>;
  update(yaml: string, resourceVersion: string): Promise<StoredObject>;
}

/** What went wrong, in a word: the one after urn:tierwall:, or "away" when nothing answered. */
export function errorWord(error: ApiError): string {
  return error.problem?.type.replace('urn:tierwall:', '') ?? (error.status === 0 ? 'away' : 'internal');
}

/** Whatever was thrown, as an error that can be shown. */
export function asApiError(thrown: unknown): ApiError {
  return thrown instanceof ApiError ? thrown : new ApiError(-1, thrown instanceof Error ? thrown.message : String(thrown));
}

/** The writes' header is added by the client; the document asks for it all the same. */
const header = { 'X-CSRF-Token': '' };

/** The server's API. */
export const serverApi: PolicyApi = {
  draft: (yaml, signal) => answer(api.POST('/draft', { body: { yaml }, signal })),
  preview: (yaml, signal) => answer(api.POST('/preview', { body: { yaml }, signal })),
  previewFlows: (yaml, signal) => answer(api.POST('/preview/flows', { body: { yaml }, signal })),
  counts: async (policy, signal) => (await answer(api.GET('/flows/counts', { params: { query: { policy, since: new Date(Date.now() - 3_600_000).toISOString() } }, signal }))).counts,
  cluster: (signal) => answer(api.GET('/cluster', { signal })),
  tiers: async (signal) => (await answer(api.GET('/tiers', { signal }))).items,
  namespaces: async (signal) => (await answer(api.GET('/namespaces', { params: { query: { limit: 1000 } }, signal }))).items,
  labels: async (of, signal) => (await answer(api.GET('/labels', { params: { query: { limit: 1000, ...(of ? { of } : {}) } }, signal }))).keys,
  object: (kind, namespace, name, signal) => answer(api.GET('/objects', { params: { query: { kind, name, ...(namespace ? { namespace } : {}) } }, signal })),
  create: (yaml) => answer(api.POST('/objects', { params: { header }, body: { yaml } })),
  update: (yaml, resourceVersion) => answer(api.PUT('/objects', { params: { header }, body: { yaml, resourceVersion } })),
};
