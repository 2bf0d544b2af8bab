/** A network set's YAML, from the fields of the form and back into what was stored. */
import { parseDocument, stringify } from 'yaml';

export interface SetFields {
  scope: 'Global' | 'Namespace';
  namespace: string;
  name: string;
  /** key=value each. */
  labels: string[];
  nets: string[];
  domains: string[];
}

/** Labels as a map, and the first text that is none. */
export function parseLabels(texts: readonly string[]): { labels: Record<string, string>; wrong: string | undefined } {
  const wrong = texts.find((text) => text.indexOf('=') < 1);
  const pairs = texts.filter((text) => text.indexOf('=') > 0).map((text) => [text.slice(0, text.indexOf('=')).trim(), text.slice(text.indexOf('=') + 1).trim()] as const);
  return { labels: Object.fromEntries(pairs), wrong };
}

export function newSet(fields: SetFields): string {
  const global = fields.scope === 'Global';
  return stringify({
    apiVersion: 'projectcalico.org/v3',
    kind: global ? 'GlobalNetworkSet' : 'NetworkSet',
    metadata: { name: fields.name, ...(global ? {} : { namespace: fields.namespace }), labels: parseLabels(fields.labels).labels },
    spec: { nets: fields.nets, ...(fields.domains.length > 0 ? { allowedEgressDomains: fields.domains } : {}) },
  });
}

/** The stored text with the labels, nets and domains of the form; everything else stays. */
export function changeSet(yaml: string, fields: SetFields): string {
  const document = parseDocument(yaml);
  document.setIn(['metadata', 'labels'], document.createNode(parseLabels(fields.labels).labels));
  document.setIn(['spec', 'nets'], document.createNode(fields.nets));
  if (fields.domains.length > 0) document.setIn(['spec', 'allowedEgressDomains'], document.createNode(fields.domains));
  else document.deleteIn(['spec', 'allowedEgressDomains']);
  return document.toString();
}
