import { all, set } from './policy';
import { editText, readText, type Edit } from './edit';
import { family, isGlobal, policyId, policyKind, type PolicyKind } from './kinds';
import { fields, text as textOf } from './policy';

/** What the API server wrote into an object, which a copy of it must not have. */
const serverFields = ['uid', 'resourceVersion', 'creationTimestamp', 'generation', 'managedFields', 'selfLink'];

/** The text of a copy with another name, staged or not. */
export function copyAs(text: string, name: string, staged: boolean): string {
  const kind = policyKind(readText(text).value ?? {});
  const edits: Edit[] = [set(['metadata', 'name'], name), ...serverFields.map((field) => set(['metadata', field], undefined)), set(['status'], undefined)];
  if (kind && family(kind) === 'tiered') {
    edits.push(set(['kind'], (staged ? 'Staged' : '') + kind.replace('Staged', '')));
    if (!staged) edits.push(set(['spec', 'stagedAction'], undefined));
  }
  return editText(text, all(...edits));
}

/** What an object is called, as far as it is told. */
export interface Identity {
  kind: PolicyKind | undefined;
  namespace: string;
  name: string;
  id: string;
}

/** What an object is called, as far as its text tells. */
export function identity(text: string): Identity {
  return identityOf(readText(text).value ?? {});
}

export function identityOf(value: Record<string, unknown>): Identity {
  const kind = policyKind(value);
  const metadata = fields(value.metadata);
  const [name, namespace] = [textOf(metadata.name), textOf(metadata.namespace)];
  return { kind, name, namespace: kind && isGlobal(kind) ? '' : namespace, id: kind ? policyId(kind, namespace, name) : '' };
}


/** The text of a new Kubernetes network policy. */
export function newKubernetesPolicy(name: string, namespace: string): string {
  return `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: ${JSON.stringify(name)}\n  namespace: ${namespace}\nspec:\n  podSelector: {}\n  policyTypes: [ Ingress ]\n`;
}
