/** The YAML of the document, with what the server says of it at its lines. Loaded only when it is opened. */
import { autocompletion, type CompletionContext, type CompletionResult } from '@codemirror/autocomplete';
import { yaml } from '@codemirror/lang-yaml';
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { Compartment, EditorState, type Extension } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { basicSetup } from 'codemirror';
import { useEffect, useRef } from 'react';
import { tags } from '@lezer/highlight';
import type { LabelKey } from '../api';
import { complete } from './complete';

interface Props {
  text: string;
  dark: boolean;
  problems: TextNote[];
  labels: LabelKey[];
  onChange: (text: string) => void;
}

/** A remark at a place of the text, counted from 1. */
export interface TextNote {
  line: number;
  column: number;
  message: string;
  severity: 'error' | 'warning';
}

export default function YamlEditor({ text, dark, problems, labels, onChange }: Props) {
  const parent = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const latest = useRef({ onChange, labels });
  useEffect(() => {
    latest.current = { onChange, labels };
  });
  const theme = useRef(new Compartment());
  useEffect(() => {
    if (!parent.current) return undefined;
    const editor = new EditorView({
      parent: parent.current,
      state: EditorState.create({
        doc: text,
        extensions: [
          basicSetup,
          yaml(),
          theme.current.of(themeOf(dark)),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': 'Policy as YAML' }),
          autocompletion({ override: [(context) => source(context, latest.current.labels)] }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged && !update.transactions.some((each) => each.isUserEvent('sync'))) latest.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = editor;
    return () => editor.destroy();
    // The editor is made once; what changes later is sent to it below.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);
  useEffect(() => {
    const editor = view.current;
    if (!editor || editor.state.doc.toString() === text) return;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: text }, userEvent: 'sync' });
  }, [text]);
  useEffect(() => {
    view.current?.dispatch({ effects: theme.current.reconfigure(themeOf(dark)) });
  }, [dark]);
  useEffect(() => {
    const editor = view.current;
    if (editor) editor.dispatch(setDiagnostics(editor.state, problems.flatMap((note) => diagnostic(editor.state, note))));
  }, [problems, text]);
  return <div ref={parent} style={{ border: '1px solid var(--mantine-color-default-border)', borderRadius: 4, fontSize: 13 }} />;
}

/** Colours of 4.5 and more against the page in either scheme: the ones that come with the editor are for light only. */
function themeOf(dark: boolean): Extension {
  const [name, value, quiet] = dark ? ['#8fbdf0', '#9fe0a8', '#b4bac2'] : ['#1d5499', '#1c6b2a', '#545b64'];
  const style = HighlightStyle.define([
    { tag: [tags.definition(tags.propertyName), tags.propertyName], color: name },
    { tag: [tags.string, tags.content, tags.number, tags.bool, tags.keyword], color: value },
    { tag: [tags.comment, tags.lineComment, tags.meta, tags.punctuation, tags.separator], color: quiet },
  ]);
  const line = dark ? '#2c2f33' : '#eef4fb';
  const plain = { '.cm-gutters': { background: 'transparent', color: quiet, border: 'none' }, '.cm-activeLine, .cm-activeLineGutter': { background: line } };
  return [EditorView.theme(plain, { dark }), syntaxHighlighting(style)];
}

function diagnostic(state: EditorState, { line, column, message, severity }: TextNote): Diagnostic[] {
  if (line > state.doc.lines) return [];
  const { from, to } = state.doc.line(line);
  return [{ from: Math.min(from + column - 1, to), to, severity, message }];
}

function source(context: CompletionContext, labels: LabelKey[]): CompletionResult | null {
  const line = context.state.doc.lineAt(context.pos);
  const found = complete(line.text.slice(0, context.pos - line.from), labels);
  if (!found || (found.length === 0 && !context.explicit)) return null;
  return { from: context.pos - found.length, options: found.options.map((label) => ({ label })) };
}
