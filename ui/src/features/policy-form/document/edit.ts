/**
 * The document: one YAML text, of which the form, the editor and the picture are
 * views. An edit changes nodes of the parsed text and leaves the rest as it was
 * written: comments, order, and fields that the form does not know.
 */
import {
  isAlias,
  isCollection,
  isMap,
  isNode,
  isScalar,
  isSeq,
  parseAllDocuments,
  type Document,
  type Node,
  type ToStringOptions,
  type YAMLSeq,
} from 'yaml';
import { carryOver } from './lines';

export type Path = readonly (string | number)[];

/** What a field can be set to. Undefined removes it. */
export type Value = string | number | boolean | undefined | readonly Value[] | { readonly [key: string]: Value };

/** A change of a document. Returns nothing: it edits the nodes in place. */
export type Edit = (document: Document) => void;

/** What keeps a text from being one readable document, with its place (from 1). */
export interface TextProblem {
  message: string;
  line: number;
  column: number;
}

export type Reading = { document: Document; value: Record<string, unknown>; problem?: undefined } | { document?: undefined; value?: undefined; problem: TextProblem };

/** Parses a text. Not readable: broken YAML, several documents, or no mapping at the top. */
export function readText(text: string): Reading {
  const all = [...parseAllDocuments(text, { compat: 'yaml-1.1', prettyErrors: true })];
  if (text.trim() === '') return unreadable('There is nothing here yet.', 1, 1);
  for (const document of all) {
    const error = document.errors[0];
    if (error) return unreadable(firstLine(error.message), error.linePos?.[0].line ?? 1, error.linePos?.[0].col ?? 1);
  }
  const [document, second] = all;
  if (second) return unreadable('The form edits one object at a time; this text has several.', lineOf(text, second.range[0]), 1);
  if (!document || !isMap(document.contents)) return unreadable('This is not an object: a policy is a mapping with apiVersion, kind, metadata and spec.', 1, 1);
  try {
    return { document, value: document.toJS() as Record<string, unknown> };
  } catch (thrown) {
    // Too many aliases, or one to nothing: the parser does not look.
    return unreadable(thrown instanceof Error ? thrown.message : String(thrown), 1, 1);
  }
}

function unreadable(message: string, line: number, column: number): Reading {
  return { problem: { message, line, column } };
}

function firstLine(message: string): string {
  return (message.split('\n')[0] ?? message).replace(/ at line \d+, column \d+:?$/, '');
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** Applies an edit to a text that {@link readText} can read; any other text is returned as it is. */
export function editText(text: string, edit: Edit): string {
  const reading = readText(text);
  if (!reading.document) return text;
  const { document } = reading;
  const style = styleOf(text);
  const before = document.toString(style);
  edit(document);
  const after = document.toString(style);
  if (before === after) return text;
  const carried = carryOver(text, before, after);
  if (carried === undefined || carried === after) return after;
  // Lines are text, not meaning: what was carried over must still say what the edit said.
  const said = readText(carried).value;
  return said && JSON.stringify(said) === JSON.stringify(document.toJS()) ? carried : after;
}

/** How a text is laid out, so that what is written looks like what stands there. */
function styleOf(source: string): ToStringOptions {
  const text = source.replace(/^[ \t]*(#.*)?\n/gm, '');
  const nested = /^( +)[^\s-]/m.exec(text)?.[1]?.length;
  const indentedSeq = /^( *)[^\s#][^#\n]*:[ \t]*\n\1( +)- /m.test(text);
  const flatSeq = /^( *)[^\s#-][^#\n]*:[ \t]*\n\1- /m.test(text);
  return {
    lineWidth: 0,
    indent: nested === undefined || nested < 1 || nested > 8 ? 2 : nested,
    indentSeq: indentedSeq || !flatSeq,
    flowCollectionPadding: !/\{[^\s{}][^\n{}]*\}|\[[^\s[\]][^\n[\]]*\]/.test(text),
  };
}

/**
 * Sets the field at a path, making the mappings on the way; undefined, "", an
 * empty list and an empty mapping remove it, and the parents that it leaves empty
 * from `depth` (the length of the shortest path that may go) on.
 */
export function setField(document: Document, path: Path, value: Value, depth = 2): void {
  resolveAliases(document, path);
  if (isEmpty(value)) {
    removeField(document, path, depth);
    return;
  }
  const old = document.getIn(path, true);
  if (isScalar(old) && typeof value !== 'object') {
    if (old.value === value) return;
    // Another type must not keep the source's spelling (a quoted "80" that becomes 80).
    if (typeof old.value !== typeof value) delete old.type;
    delete old.source;
    old.value = value;
    return;
  }
  if (isNode(old) && JSON.stringify(old.toJS(document)) === JSON.stringify(value)) return;
  makeParents(document, path);
  document.setIn(path, asNode(document, value, old));
}

/** What stands at a path, also where it is reached by an alias; undefined for nothing. */
export function valueAt(document: Document, path: Path): unknown {
  return path.reduce<unknown>((value, part) => (typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[part] : undefined), document.toJS());
}

function isEmpty(value: Value): boolean {
  if (value === undefined || value === '') return true;
  if (typeof value !== 'object') return false;
  return Array.isArray(value) ? value.length === 0 : Object.values(value).every((field) => field === undefined);
}

/** A missing or null parent becomes a mapping; a list is made by its own edits. */
function makeParents(document: Document, path: Path): void {
  for (let length = 1; length < path.length; length++) {
    const parent = document.getIn(path.slice(0, length), true);
    if (parent === undefined || (isScalar(parent) && parent.value === null)) {
      document.setIn(path.slice(0, length), document.createNode({}));
    }
  }
}

/** A list of words stands on one line, as people write it; what is there keeps its shape and comments. */
function asNode(document: Document, value: Value, old: unknown): Node {
  const node = document.createNode(value);
  const words = isSeq(node) && node.items.every((item) => isScalar(item));
  if (isCollection(node)) node.flow = isCollection(old) ? old.flow === true : words;
  if (isSeq(node) && isSeq(old)) reuseItems(node, old);
  if (isNode(old)) {
    node.comment = old.comment;
    node.commentBefore = old.commentBefore;
  }
  return node;
}

/** Items that a list had before are the same nodes after, so that their comments stay beside them. */
function reuseItems(list: YAMLSeq, old: YAMLSeq): void {
  const pool = [...old.items];
  list.items = list.items.map((item) => {
    const at = pool.findIndex((candidate) => isScalar(candidate) && isScalar(item) && candidate.value === item.value);
    return at < 0 ? item : pool.splice(at, 1)[0];
  });
}

function removeField(document: Document, path: Path, depth: number): void {
  if (!document.hasIn(path)) return;
  document.deleteIn(path);
  for (let length = path.length - 1; length >= depth; length--) {
    const parent = document.getIn(path.slice(0, length), true);
    if (!isCollection(parent) || parent.items.length > 0) return;
    // An empty item of a list is a rule, not clutter.
    if (typeof path[length - 1] === 'number') return;
    document.deleteIn(path.slice(0, length));
  }
}

/** An alias on the way to a field becomes a copy of its own: an edit here must not change another place. */
function resolveAliases(document: Document, path: Path): void {
  for (let length = 1; length <= path.length; length++) {
    const at = path.slice(0, length);
    const node = document.getIn(at, true);
    if (!isAlias(node)) continue;
    document.setIn(at, document.createNode(node.toJS(document)));
  }
}

/** Adds an item to the list at a path, making the list; at the end if no index is given. */
export function insertItem(document: Document, path: Path, value: Value, index?: number): void {
  resolveAliases(document, path);
  const list = listAt(document, path);
  ownComment(list);
  const node = document.createNode(value);
  list.items.splice(index ?? list.items.length, 0, node);
}

/** Removes an item; a list that becomes empty goes. */
export function removeItem(document: Document, path: Path, index: number): void {
  resolveAliases(document, path);
  const list = listAt(document, path);
  ownComment(list);
  list.items.splice(index, 1);
  if (list.items.length === 0) removeField(document, path, 2);
}

/** Moves an item of a list, with its comments. */
export function moveItem(document: Document, path: Path, from: number, to: number): void {
  resolveAliases(document, path);
  const list = listAt(document, path);
  ownComment(list);
  const [item] = list.items.splice(from, 1);
  if (item !== undefined) list.items.splice(to, 0, item);
}

/** Puts a copy of an item after it. */
export function duplicateItem(document: Document, path: Path, index: number): void {
  resolveAliases(document, path);
  const list = listAt(document, path);
  const item = list.items[index];
  if (isNode(item)) list.items.splice(index + 1, 0, document.createNode(item.toJS(document)));
}

function listAt(document: Document, path: Path): YAMLSeq {
  const found = document.getIn(path, true);
  if (isSeq(found)) return found;
  makeParents(document, path);
  const list = document.createNode([]);
  list.flow = false;
  document.setIn(path, list);
  return list;
}

/** The parser gives a comment above the first item to the list; it belongs to the item and moves with it. */
function ownComment(list: YAMLSeq): void {
  const first = list.items[0];
  if (!list.commentBefore || !isNode(first)) return;
  first.commentBefore = first.commentBefore ? `${list.commentBefore}\n${first.commentBefore}` : list.commentBefore;
  list.commentBefore = null;
}
