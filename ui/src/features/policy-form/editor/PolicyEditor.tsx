/** Creating and editing a policy: form, YAML and picture are views of one text. */
import { ActionIcon, Alert, Button, CopyButton, Grid, Group, Skeleton, Stack, Tabs, Text, Title } from '@mantine/core';
import { lazy, memo, Suspense, useCallback, useEffect, useMemo, useState } from 'react';
import type { Draft, FieldProblem, PolicyApi, StoredObject } from '../api';
import { Beside } from '../beside/Beside';
import { identity, identityOf, newKubernetesPolicy, type Identity } from '../document/copy';
import { readText, type Reading } from '../document/edit';
import type { History } from '../document/history';
import { family, isGlobal, isStaged, policyKind } from '../document/kinds';
import { newPolicy, readPolicy } from '../document/policy';
import type { DocumentStore } from '../document/store';
import { ClusterForm } from '../form/ClusterForm';
import { FormProvider } from '../form/context';
import { KubernetesForm } from '../form/KubernetesForm';
import type { OpenRule } from '../form/Rules';
import { TieredForm } from '../form/TieredForm';
import type { TextNote } from '../yaml/YamlEditor';
import { asCommand } from './command';
import { ConflictDialog, PreviewDialog, Refusal, SaveAsDialog } from './dialogs';
import { useCounts } from './useCounts';
import { useDocument } from './useDocument';
import { useDraft } from './useDraft';
import { useKept, type Offer } from './useKept';
import { useSave } from './useSave';
import { useSurroundings } from './useSurroundings';
import { readable } from '../form/readable';

const YamlEditor = lazy(() => import('../yaml/YamlEditor'));
const BesideOnce = memo(Beside);

export type Tab = 'form' | 'yaml';

export interface PolicyEditorProps {
  api: PolicyApi;
  user: string;
  /** The text to begin with: a new policy's, or the stored one's. */
  initial: string;
  /** What is stored, for a policy that exists. */
  stored?: StoredObject;
  tab: Tab;
  dark: boolean;
  onTab: (tab: Tab) => void;
  onSaved: (id: string) => void;
  onClose: () => void;
  /** Told whether there is something to lose. */
  onDirty: (dirty: boolean) => void;
}

export function PolicyEditor(props: PolicyEditorProps) {
  const { api, user, initial, tab, dark, onTab, onDirty } = props;
  const { store, history, apply } = useDocument(initial);
  const { change, later, flush } = store;
  const text = history.present;
  const save = useSave(api, props.stored, props.onSaved);
  const dirty = text !== (save.savedText ?? initial);
  const around = useSurroundings(api);
  const reading = useMemo(() => readText(text), [text]);
  const id = useMemo(() => identityOf(reading.value ?? {}), [reading]);
  const asked = useMemo(() => named(text, id), [text, id]);
  const draft = useDraft(api, asked);
  const stale = draft.of !== asked;
  const kept = useKept(user, useStoredId(props), text, dirty, save.stored?.resourceVersion);
  const [open, setOpen] = useState<OpenRule>();
  const [before, setBefore] = useState('');
  useEffect(() => onDirty(dirty), [dirty, onDirty]);
  const onOpen = useCallback((rule: OpenRule | undefined) => {
    setBefore(store.text());
    setOpen(rule);
  }, [store]);
  const onCancel = useCallback(() => {
    change({ type: 'text', text: before });
    setOpen(undefined);
  }, [change, before]);
  const onText = useCallback((next: string) => change({ type: 'text', text: next }), [change]);
  const there = openIn(reading.value, open);
  const undoKey = (event: React.KeyboardEvent) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== 'z') return;
    event.preventDefault();
    change({ type: event.shiftKey ? 'redo' : 'undo' });
  };
  const refused = save.refusal?.problem?.problems;
  const shown = useMemo(() => withRefusal(draft.draft, refused), [draft.draft, refused]);
  const counted = useCounts(api, save.stored?.yaml, reading.value);
  const context = useMemo(() => ({ api, apply, later, flush, draft: shown, counted, ...around }), [api, apply, later, flush, shown, counted, around]);
  return (
    <FormProvider value={context}>
      <Stack gap="md">
        <Head {...{ id, stored: props.stored !== undefined, dirty, onClose: props.onClose }} />
        {kept.offers.map((offer) => (
          <KeptDraft key={offer.slot} offer={offer} resourceVersion={save.stored?.resourceVersion} onDiscard={() => kept.answer(offer)} onRestore={() => {
            onText(offer.draft.text);
            kept.answer(offer);
          }} />
        ))}
        <Actions {...{ api, store, save, history, id }} onStored={kept.done} allowed={draft.draft?.allowed} missing={draft.draft?.missing} waiting={stale} />
        {save.refusal && !save.conflict && <Refusal error={save.refusal} onClose={save.clear} />}
        <Grid gap="lg">
          <Grid.Col span={{ base: 12, md: 7 }}>
            <Tabs value={tab} onChange={(next) => onTab(next === 'yaml' ? 'yaml' : 'form')} keepMounted={false}>
              <Tabs.List mb="md">
                <Tabs.Tab value="form">Form</Tabs.Tab>
                <Tabs.Tab value="yaml">YAML</Tabs.Tab>
              </Tabs.List>
              <Tabs.Panel value="form" onKeyDown={undoKey}>
                <FormOnce {...{ reading, open: there, onOpen, onCancel, onText }} stored={props.stored !== undefined} />
              </Tabs.Panel>
              <Tabs.Panel value="yaml">
                <Suspense fallback={<Skeleton height={300} />}>
                  <YamlEditor text={text} dark={dark} problems={notes(shown, !stale, reading.problem)} labels={around.labels(undefined)} onChange={(next) => change({ type: 'text', text: next, topic: 'yaml' })} />
                </Suspense>
                {reading.problem && <Alert color="red" variant="outline" styles={readable} mt="sm">Line {reading.problem.line}: {reading.problem.message}</Alert>}
              </Tabs.Panel>
            </Tabs>
          </Grid.Col>
          <Grid.Col span={{ base: 12, md: 5 }}>
            <BesideOnce draft={shown} stale={stale} error={draft.error} cluster={around.cluster} open={there} />
          </Grid.Col>
        </Grid>
      </Stack>
      {save.conflict && <ConflictDialog mine={text} theirs={save.conflict} onOverwrite={() => save.overwrite(text)} onTheirs={(theirs) => { onText(theirs.yaml); save.adopt(theirs); }} onClose={save.clear} />}
    </FormProvider>
  );
}

/** The draft with what was refused when it was saved, each thing once. */
function withRefusal(draft: Draft | undefined, refused: FieldProblem[] | undefined): Draft | undefined {
  if (!draft || !refused) return draft;
  const more = refused.filter((problem) => !draft.problems.some((known) => known.path === problem.path && known.message === problem.message));
  return { ...draft, problems: [...draft.problems, ...more] };
}

/** What the server is asked about: a policy that has no name yet is read all the same. The line of the name stays where it is. */
function named(text: string, id: Identity): string {
  return id.kind && id.name === '' ? text.replace(/^([ \t]+name:)[ \t]*(""|'')?[ \t]*$/m, '$1 new-policy') : text;
}

/** What is stored is called so, whatever the text is edited to say; undefined for what is not stored. */
function useStoredId({ stored, initial }: PolicyEditorProps): string | undefined {
  const [id] = useState(() => (stored ? identity(initial).id : undefined));
  return id;
}

function KeptDraft({ offer: { draft }, resourceVersion, onRestore, onDiscard }: { offer: Offer; resourceVersion: string | undefined; onRestore: () => void; onDiscard: () => void }) {
  const { name, namespace } = identity(draft.text);
  const called = name ? `${namespace ? `${namespace}/` : ''}${name}` : 'a policy without a name';
  return (
    <Alert color="blue" variant="outline" styles={readable} title="An unsaved draft is kept">
      <Group>
        <Text size="sm" style={{ overflowWrap: 'anywhere' }}>It is of {called}, from {new Date(draft.at).toLocaleString()}{draft.resourceVersion !== undefined && draft.resourceVersion !== resourceVersion ? '; the policy has been changed since' : ''}.</Text>
        <Button size="compact-sm" onClick={onRestore}>Restore the draft</Button>
        <Button size="compact-sm" variant="default" onClick={onDiscard}>Discard it</Button>
      </Group>
    </Alert>
  );
}

/** An open rule that undo or the YAML removed is open no more. */
function openIn(value: Record<string, unknown> | undefined, open: OpenRule | undefined): OpenRule | undefined {
  if (!open || !value) return undefined;
  const rules = readPolicy(value)?.[open.direction] ?? [];
  return open.index < rules.length ? open : undefined;
}

/** What the YAML itself says first; of the server's remarks those that are of this text. */
function notes(draft: Parameters<typeof Beside>[0]['draft'], fresh: boolean, broken: ReturnType<typeof readText>['problem']): TextNote[] {
  if (broken) return [{ ...broken, severity: 'error' }];
  if (!fresh || !draft) return [];
  const all = [...draft.problems.map((found) => ({ ...found, severity: 'error' as const })), ...draft.warnings.map((found) => ({ ...found, severity: 'warning' as const }))];
  return all.flatMap(({ line, column, message, hint, severity }) => (line ? [{ line, column: column ?? 1, severity, message: hint ? `${message}: ${hint}` : message }] : []));
}

function Head({ id, stored, dirty, onClose }: { id: Identity; stored: boolean; dirty: boolean; onClose: () => void }) {
  return (
    <Group justify="space-between">
      <div style={{ minWidth: 0 }}>
        <Title order={1} size="h3" style={{ overflowWrap: 'anywhere' }}>{stored ? `Edit ${id.name}` : 'Create policy'}</Title>
        <Text size="sm">{id.kind ?? 'not a policy'}{id.namespace ? ` in ${id.namespace}` : ''}{dirty ? ' · not saved' : ''}</Text>
      </div>
      <Button variant="default" onClick={onClose}>Close</Button>
    </Group>
  );
}

interface ActionsProps {
  api: PolicyApi;
  store: DocumentStore;
  save: ReturnType<typeof useSave>;
  history: History;
  id: Identity;
  /** Told when a copy is stored. */
  onStored: () => void;
  allowed: boolean | undefined;
  missing: string | undefined;
  waiting: boolean;
}

function Actions({ api, store, save, history, id, onStored, allowed, missing, waiting }: ActionsProps) {
  const [dialog, setDialog] = useState<'preview' | 'saveAs'>();
  const forbidden = allowed === false && !waiting;
  const text = history.present;
  const { change } = store;
  return (
    <Stack gap={4}>
      <Group gap="xs" role="toolbar" aria-label="Policy actions">
        <Button onClick={() => save.save(store.text())} loading={save.busy} disabled={forbidden || id.kind === undefined} aria-describedby={forbidden ? 'why-not' : undefined}>{id.kind && isStaged(id.kind) ? 'Save staged' : 'Save'}</Button>
        <Button variant="default" onClick={() => setDialog('saveAs')} disabled={id.kind === undefined}>Save as</Button>
        <Button variant="default" onClick={() => setDialog('preview')}>Preview</Button>
        <ActionIcon variant="default" size="input-sm" aria-label="Undo" title="Undo" onClick={() => change({ type: 'undo' })} disabled={history.past.length === 0}>↶</ActionIcon>
        <ActionIcon variant="default" size="input-sm" aria-label="Redo" title="Redo" onClick={() => change({ type: 'redo' })} disabled={history.future.length === 0}>↷</ActionIcon>
        <Button variant="subtle" size="compact-sm" onClick={() => download(`${id.name || 'policy'}.yaml`, text)}>Download YAML</Button>
        <Copy label="Copy as YAML" value={text} />
        <Copy label="Copy as command" value={asCommand(text)} />
      </Group>
      {forbidden && <Text id="why-not" size="sm" role="note" style={{ overflowWrap: 'anywhere' }}>You may not save this{whyNot(missing)}</Text>}
      {dialog === 'preview' && <PreviewDialog api={api} text={text} onClose={() => setDialog(undefined)} />}
      {dialog === 'saveAs' && <SaveAsDialog text={text} name={id.name} busy={save.busy} onClose={() => setDialog(undefined)} onSave={async (copy) => {
        const failed = await save.create(copy);
        if (!failed) onStored();
        return failed;
      }} />}
    </Stack>
  );
}

/** The right that is missing, or what the API server said where it judged the policy itself. */
function whyNot(missing: string | undefined): string {
  if (!missing) return '.';
  const judged = /denied request: (.*?)\.?$/s.exec(missing)?.[1];
  return judged ? `. The API server says: ${judged}.` : `: it needs ${missing}.`;
}

function Copy({ label, value }: { label: string; value: string }) {
  return <CopyButton value={value}>{({ copied, copy }) => <Button variant="subtle" size="compact-sm" onClick={copy}>{copied ? 'Copied' : label}</Button>}</CopyButton>;
}

function download(name: string, text: string) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/yaml' }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

interface FormOfProps {
  reading: Reading;
  stored: boolean;
  open: OpenRule | undefined;
  onOpen: (rule: OpenRule | undefined) => void;
  onCancel: () => void;
  onText: (text: string) => void;
}

const FormOnce = memo(FormOf);

function FormOf({ reading: { value, problem }, stored, open, onOpen, onCancel, onText }: FormOfProps) {
  if (problem) return <Alert color="yellow" variant="outline" styles={readable}>The YAML cannot be read, so there is no form of it. Line {problem.line}: {problem.message} The YAML tab shows it.</Alert>;
  const kind = policyKind(value);
  if (!kind) return <Alert color="yellow" variant="outline" styles={readable}>This is no kind of policy that the form knows: its apiVersion and kind say what it is, in the YAML tab.</Alert>;
  if (family(kind) === 'kubernetes') return <KubernetesForm value={value} stored={stored} toTiered={() => onText(newPolicy(identityOf(value).namespace, 'default', identityOf(value).name))} />;
  if (family(kind) === 'cluster') return <ClusterForm value={value} stored={stored} />;
  const policy = readPolicy(value);
  if (!policy) return null;
  const toKubernetes = stored || isGlobal(kind) ? undefined : () => onText(newKubernetesPolicy(policy.name, policy.namespace));
  return <TieredForm {...{ policy, stored, open, onOpen, onCancel, toKubernetes }} />;
}
