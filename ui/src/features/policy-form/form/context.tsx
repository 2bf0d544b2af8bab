import { createContext, useContext } from 'react';
import type { Draft, FieldProblem, LabelKey, Namespace, PolicyApi, SelectKind, Tier, Warning } from '../api';
import type { Edit, Path } from '../document/edit';
import type { Counted } from '../editor/useCounts';
import type { DocumentStore } from '../document/store';

/** What every field of the form needs. */
export interface FormContext {
  api: PolicyApi;
  /** Edits the document. */
  apply: (edit: Edit, topic?: string) => void;
  later: DocumentStore['later'];
  flush: DocumentStore['flush'];
  draft: Draft | undefined;
  /** What a rule that is stored as it stands did. */
  counted: Counted;
  tiers: Tier[];
  namespaces: Namespace[];
  labels: (of: SelectKind | undefined) => LabelKey[];
}

const Context = createContext<FormContext | undefined>(undefined);
export const FormProvider = Context.Provider;

export function useForm(): FormContext {
  const form = useContext(Context);
  if (!form) throw new Error('a field outside of a form');
  return form;
}

/** A path as the server writes it: spec.ingress[0].source.selector. */
export function pathName(path: Path): string {
  return path.reduce<string>((name, part) => (typeof part === 'number' ? `${name}[${part}]` : name ? `${name}.${part}` : part), '');
}

/** What the server says of a field and of what is in it. */
export function problemsAt(draft: Draft | undefined, path: Path): FieldProblem[] {
  const name = pathName(path);
  return (draft?.problems ?? []).filter((problem) => within(problem.path, name));
}

/** The same of warnings. */
export function warningsAt(draft: Draft | undefined, path: Path): Warning[] {
  const name = pathName(path);
  return (draft?.warnings ?? []).filter((warning) => within(warning.path, name));
}

function within(path: string | undefined, name: string): boolean {
  if (path === undefined || !path.startsWith(name)) return false;
  const next = path[name.length];
  return next === undefined || next === '.' || next === '[';
}

/** The message to show at a field, or undefined. */
export function useProblem(path: Path): string | undefined {
  const { draft } = useForm();
  const found = problemsAt(draft, path);
  if (found.length === 0) return undefined;
  return found.map((problem) => (problem.hint ? `${problem.message}: ${problem.hint}` : problem.message)).join('. ');
}
