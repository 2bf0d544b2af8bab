/**
 * A tiered policy as typed values, read from the document, and the edits of it.
 * Reading is tolerant: what has another type than it should is read as absent,
 * and the server says what is wrong with it.
 */
import { insertItem, setField, type Edit, type Path } from './edit';
import { family, isGlobal, policyKind, withScope, type PolicyKind } from './kinds';

export const directions = ['ingress', 'egress'] as const;
export type Direction = (typeof directions)[number];
export type PolicyType = 'Ingress' | 'Egress';
export const actions = ['Allow', 'Deny', 'Pass', 'Log'] as const;

/** A port: a number, a range "a:b", or a name. */
export type Port = number | string;

export interface Icmp {
  type?: number | string | undefined;
  code?: number | string | undefined;
}

/** The path of a request: exactly one of the two. */
export interface HttpPath {
  exact?: string | undefined;
  prefix?: string | undefined;
}

export interface HttpHeader {
  header: string;
  operator: string;
  values: string[];
}

/** Which HTTP requests a rule is narrowed to; empty lists mean any. */
export interface HttpMatch {
  methods: string[];
  paths: HttpPath[];
  headers: HttpHeader[];
}

export interface Entity {
  selector: string;
  notSelector: string;
  namespaceSelector: string;
  nets: string[];
  notNets: string[];
  ports: Port[];
  notPorts: Port[];
  domains: string[];
  serviceAccountNames: string[];
  serviceAccountSelector: string;
  serviceName: string;
  serviceNamespace: string;
}

export interface Rule {
  action: string;
  ipVersion: number | undefined;
  protocol: string | number | undefined;
  notProtocol: string | number | undefined;
  icmp: Icmp | undefined;
  notICMP: Icmp | undefined;
  source: Entity;
  destination: Entity;
  /** The annotation "name", by which people speak of a rule. */
  name: string;
  http: HttpMatch | undefined;
}

export interface Policy {
  kind: PolicyKind;
  name: string;
  namespace: string;
  /** As written; "" is the tier default. */
  tier: string;
  /** A string is what somebody wrote where a number should be. */
  order: number | string | undefined;
  selector: string;
  namespaceSelector: string;
  serviceAccountSelector: string;
  preDNAT: boolean;
  doNotTrack: boolean;
  applyOnForward: boolean;
  /** The directions that it governs, completed from its rules when none are written. */
  types: PolicyType[];
  typesWritten: boolean;
  ingress: Rule[];
  egress: Rule[];
  stagedAction: string;
}

type Fields = Record<string, unknown>;

/** Reads the tiered policy that an object is, or undefined if it is something else. */
export function readPolicy(value: Fields): Policy | undefined {
  const kind = policyKind(value);
  if (!kind || family(kind) !== 'tiered') return undefined;
  const [metadata, spec] = [fields(value.metadata), fields(value.spec)];
  const [ingress, egress] = [list(spec.ingress).map(readRule), list(spec.egress).map(readRule)];
  const types = list(spec.types).filter((type): type is PolicyType => type === 'Ingress' || type === 'Egress');
  return {
    kind,
    name: text(metadata.name),
    namespace: text(metadata.namespace),
    tier: text(spec.tier),
    order: word(spec.order),
    selector: text(spec.selector),
    namespaceSelector: text(spec.namespaceSelector),
    serviceAccountSelector: text(spec.serviceAccountSelector),
    preDNAT: spec.preDNAT === true,
    doNotTrack: spec.doNotTrack === true,
    applyOnForward: spec.applyOnForward === true,
    types: types.length > 0 ? types : defaultTypes(ingress.length > 0, egress.length > 0),
    typesWritten: types.length > 0,
    ingress,
    egress,
    stagedAction: text(spec.stagedAction),
  };
}

/** What types mean when none are written: the API's defaulting. */
export function defaultTypes(ingress: boolean, egress: boolean): PolicyType[] {
  if (!egress) return ['Ingress'];
  return ingress ? ['Ingress', 'Egress'] : ['Egress'];
}

function readRule(value: unknown): Rule {
  const rule = fields(value);
  return {
    action: text(rule.action),
    ipVersion: number(rule.ipVersion),
    protocol: word(rule.protocol),
    notProtocol: word(rule.notProtocol),
    icmp: readIcmp(rule.icmp),
    notICMP: readIcmp(rule.notICMP),
    source: readEntity(rule.source),
    destination: readEntity(rule.destination),
    name: text(fields(fields(rule.metadata).annotations).name),
    http: readHttp(rule.http),
  };
}

function readIcmp(value: unknown): Icmp | undefined {
  if (value === undefined || value === null) return undefined;
  return { type: word(fields(value).type), code: word(fields(value).code) };
}

function readHttp(value: unknown): HttpMatch | undefined {
  if (value === undefined || value === null) return undefined;
  const http = fields(value);
  return {
    methods: words(http.methods),
    paths: list(http.paths).map((item) => (typeof fields(item).exact === 'string' ? { exact: text(fields(item).exact) } : { prefix: text(fields(item).prefix) })),
    headers: list(http.headers).map((item) => ({ header: text(fields(item).header), operator: text(fields(item).operator), values: words(fields(item).values) })),
  };
}

function readEntity(value: unknown): Entity {
  const entity = fields(value);
  const [accounts, service] = [fields(entity.serviceAccounts), fields(entity.services)];
  return {
    selector: text(entity.selector),
    notSelector: text(entity.notSelector),
    namespaceSelector: text(entity.namespaceSelector),
    nets: words(entity.nets),
    notNets: words(entity.notNets),
    ports: ports(entity.ports),
    notPorts: ports(entity.notPorts),
    domains: words(entity.domains),
    serviceAccountNames: words(accounts.names),
    serviceAccountSelector: text(accounts.selector),
    serviceName: text(service.name),
    serviceNamespace: text(service.namespace),
  };
}

export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function number(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

/** A number, or the text that stands where one could. */
export function word(value: unknown): string | number | undefined {
  return typeof value === 'string' || typeof value === 'number' ? value : undefined;
}

export function words(value: unknown): string[] {
  return list(value).filter((item) => typeof item === 'string');
}

function ports(value: unknown): Port[] {
  return list(value).filter((item) => typeof item === 'string' || typeof item === 'number');
}

/** Which field of the peer's side of a rule, by direction: who connects, or who is connected to. */
export function peerSide(direction: Direction): 'source' | 'destination' {
  return direction === 'ingress' ? 'source' : 'destination';
}

export function rulesPath(direction: Direction): Path {
  return ['spec', direction];
}

export function rulePath(direction: Direction, index: number): Path {
  return ['spec', direction, index];
}

/** Sets one field. A rule keeps its braces: what is emptied goes up to the rule, not beyond. */
export function set(path: Path, value: Parameters<typeof setField>[2]): Edit {
  const inRule = path[0] === 'spec' && typeof path[2] === 'number';
  return (document) => setField(document, path, value, inRule ? 4 : 2);
}

/** Does several edits as one. */
export function all(...edits: Edit[]): Edit {
  return (document) => edits.forEach((edit) => edit(document));
}

/** Changes the scope: the kind, and what only the old one has. */
export function setScope(policy: Policy, scope: { global: true } | { global: false; namespace: string }): Edit {
  const kind = set(['kind'], withScope(policy.kind, scope.global));
  if (scope.global) return all(kind, set(['metadata', 'namespace'], undefined));
  const only = ['namespaceSelector', 'preDNAT', 'doNotTrack', 'applyOnForward'].map((field) => set(['spec', field], undefined));
  return all(kind, set(['metadata', 'namespace'], scope.namespace), ...only);
}

/** Ticks or unticks a direction. The other stays what it is, also if it was only implied. */
export function setType(policy: Policy, type: PolicyType, on: boolean): Edit {
  const kept = (['Ingress', 'Egress'] as const).filter((known) => (known === type ? on : policy.types.includes(known)));
  return set(['spec', 'types'], kept);
}

/** What the API asks of the options together: either of the two needs Apply on forward. */
export function setOption(option: 'preDNAT' | 'doNotTrack' | 'applyOnForward', on: boolean): Edit {
  const flag = set(['spec', option], on ? true : undefined);
  if (option === 'applyOnForward') return on ? flag : all(flag, set(['spec', 'preDNAT'], undefined), set(['spec', 'doNotTrack'], undefined));
  if (!on) return flag;
  return all(flag, set(['spec', option === 'preDNAT' ? 'doNotTrack' : 'preDNAT'], undefined), set(['spec', 'applyOnForward'], true));
}

/** Adds a rule at the end. Where types are written, they come to list its direction. */
export function addRule(policy: Policy, direction: Direction): Edit {
  const add: Edit = (document) => insertItem(document, rulesPath(direction), { action: 'Allow', protocol: 'TCP' });
  const type: PolicyType = direction === 'ingress' ? 'Ingress' : 'Egress';
  return policy.typesWritten && !policy.types.includes(type) ? all(add, setType(policy, type, true)) : add;
}

/** Names of protocols that a rule can have ports with. */
export function hasPorts(protocol: string | number | undefined): boolean {
  return protocol === undefined || ['TCP', 'UDP', 'SCTP', '6', '17', '132'].includes(String(protocol).toUpperCase());
}

export function isIcmp(protocol: string | number | undefined): boolean {
  return ['ICMP', 'ICMPV6', '1', '58'].includes(String(protocol).toUpperCase());
}

/** The text of a new policy. */
export function newPolicy(namespace: string | undefined, tier: string, name = ''): string {
  const global = namespace === undefined;
  return [
    'apiVersion: projectcalico.org/v3',
    `kind: ${global ? 'GlobalNetworkPolicy' : 'NetworkPolicy'}`,
    'metadata:',
    `  name: ${JSON.stringify(name)}`,
    ...(global ? [] : [`  namespace: ${namespace}`]),
    'spec:',
    `  tier: ${tier}`,
    '  types: [ Ingress ]',
    '',
  ].join('\n');
}

/** Whether Global scope is what a policy has. */
export function inGlobalScope(policy: Policy): boolean {
  return isGlobal(policy.kind);
}
