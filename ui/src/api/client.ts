/** The server's API: calls that are typed by its document, and errors as values with words. */
import createClient, { type Middleware } from 'openapi-fetch';
import type { components, paths } from './schema.gen';

export type Schemas = components['schemas'];
export type Problem = Schemas['Problem'];

/** An answer that is not what was asked for. `problem` is absent when the server was not reached at all. */
export class ApiError extends Error {
  readonly status: number;
  readonly problem: Problem | undefined;

  constructor(status: number, message: string, problem?: Problem) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.problem = problem;
  }
}

let csrf = '';
const ended = new Set<() => void>();

/** The token that the session gave, which every write must carry. */
export function setCsrfToken(token: string): void {
  csrf = token;
}

/** Calls back when the server says that nobody is logged in any more. Returns how to stop. */
export function onSessionEnd(call: () => void): () => void {
  ended.add(call);
  return () => ended.delete(call);
}

/** Says that the session has ended. */
export function endSession(): void {
  for (const call of ended) call();
}

const guard: Middleware = {
  onRequest({ request }) {
    if (request.method !== 'GET' && csrf) request.headers.set('X-CSRF-Token', csrf);
    return request;
  },
  onResponse({ request, response }) {
    if (response.status === 401 && !new URL(request.url).pathname.endsWith('/session')) endSession();
    return undefined;
  },
};

export const api = createClient<paths>({ baseUrl: new URL('/api/v1', window.location.origin).href, querySerializer: { array: { style: 'form', explode: true } } });
api.use(guard);

/** The answer's data, or an ApiError. */
export async function answer<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let result;
  try {
    result = await call;
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === 'AbortError') throw thrown;
    throw new ApiError(0, 'The server does not answer.');
  }
  if (result.response.ok) return result.data as T;
  const problem = isProblem(result.error) ? result.error : undefined;
  throw new ApiError(result.response.status, problem?.detail ?? `The server answered ${result.response.status}.`, problem);
}

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'detail' in value && 'status' in value;
}
