/** Fills a control plane without a cluster with the tutorial's, and some policies. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Server } from './server';

/** Pods and nodes have their addresses in the status, which is written apart. The tutorial's file leaves out what only a kubelet needs. */
export function fill(server: Server): void {
  const cluster = read('../../test/conformance/cluster.yaml');
  const accounts = cluster.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: metadata.name, name: 'default' } }));
  const written = cluster.map((object) => object.kind !== 'Pod' ? object : { ...object, spec: { ...object.spec, automountServiceAccountToken: false, containers: [{ name: 'c', image: 'none' }] } });
  server.kubectl(['create', '-f', '-'], list(cluster.filter(({ kind }) => kind === 'Namespace')));
  server.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], list(accounts));
  server.kubectl(['create', '-f', '-'], list(written.filter(({ kind }) => kind !== 'Namespace')));
  server.kubectl(['replace', '--subresource=status', '-f', '-'], list(written.filter(({ status }) => status !== undefined)));
  server.kubectl(['create', '-f', '-'], list(read('world.yaml')));
}

interface Stored {
  kind: string;
  metadata: { name: string; namespace?: string };
  spec?: object;
  status?: object;
}

function read(path: string): Stored[] {
  const text = readFileSync(resolve(import.meta.dirname, path), 'utf8');
  return parseAllDocuments(text).map((document) => document.toJS() as Stored | null).filter((object) => object !== null);
}

function list(items: object[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}
