/** Creating and editing a policy: form, YAML and picture are views of one text. */
import { Alert, Button, CopyButton, Grid, Group, Skeleton, Stack, Tabs, Text, Title } from '@mantine/core';
import { lazy, memo, Suspense, useCallback, useEffect, useMemo, useState } from 'react';
import { errorWord, type PolicyApi, type StoredObject } from '../api';
import { Beside } from '../beside/Beside';
import { identity, newKubernetesPolicy } from '../document/copy';
import { readText } from '../document/edit';
import { family, isGlobal, isStaged, policyKind } from '../document/kinds';
import { readPolicy } from '../document/policy';
import { ClusterForm } from '../form/ClusterForm';
import { FormProvider } from '../form/context';
import { KubernetesForm } from '../form/KubernetesForm';
import type { OpenRule } from '../form/Rules';
import { TieredForm } from '../form/TieredForm';
import type { TextNote } from '../yaml/YamlEditor';
import { asCommand } from './command';
import { ConflictDialog, PreviewDialog, SaveAsDialog } from './dialogs';
import { useDraft } from './useDraft';
import { useHistory } from './useHistory';
import { useKept } from './useKept';
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
  const { history, change, apply } = useHistory(initial);
  const text = history.present;
  const save = useSave(api, props.stored, props.onSaved);
  const saved = save.savedText ?? initial;
  const dirty = text !== saved;
  const draft = useDraft(api, text);
  const around = useSurroundings(api);
  const reading = useMemo(() => readText(text), [text]);
  const kept = useKept(user, props.stored ? identity(initial).id : 'new', text, dirty, save.stored?.resourceVersion);
  const [open, setOpen] = useState<OpenRule>();
  const [before, setBefore] = useState('');
  useEffect(() => onDirty(dirty), [dirty, onDirty]);
  const onOpen = useCallback((rule: OpenRule | undefined) => {
    setBefore(text);
    setOpen(rule);
  }, [text]);
  const cancelRule = () => {
    change({ type: 'text', text: before });
    setOpen(undefined);
  };
  const there = openIn(reading.value, open);
  const undoKey = (event: React.KeyboardEvent) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== 'z') return;
    event.preventDefault();
    change({ type: event.shiftKey ? 'redo' : 'undo' });
  };
  const id = identity(text);
  const refused = save.refusal?.problem?.problems;
  const shown = useMemo(() => (draft.draft && refused ? { ...draft.draft, problems: [...draft.draft.problems, ...refused] } : draft.draft), [draft.draft, refused]);
  const context = useMemo(() => ({ api, apply, draft: shown, ...around }), [api, apply, shown, around]);
  return (
    <FormProvider value={context}>
      <Stack gap="md">
        <Head {...{ id, stored: props.stored !== undefined, dirty, onClose: props.onClose }} />
        {kept.offer && (
          <Alert color="blue" variant="outline" styles={readable} title="An unsaved draft is kept">
            <Group>
              <Text size="sm">It is of {new Date(kept.offer.at).toLocaleString()}{kept.offer.resourceVersion !== undefined && kept.offer.resourceVersion !== save.stored?.resourceVersion ? '; the policy has been changed since' : ''}.</Text>
              <Button size="compact-sm" onClick={() => { change({ type: 'text', text: kept.offer?.text ?? text }); kept.answer(); }}>Restore the draft</Button>
              <Button size="compact-sm" variant="default" onClick={kept.answer}>Discard it</Button>
            </Group>
          </Alert>
        )}
        <Actions {...{ api, text, save, change, history, id }} allowed={draft.draft?.allowed} missing={draft.draft?.missing} waiting={draft.of !== text} />
        {save.refusal && errorWord(save.refusal) !== 'conflict' && <Alert color="red" variant="outline" styles={readable} role="alert" title="Not saved" withCloseButton closeButtonLabel="Close" onClose={save.clear}>{save.refusal.message}{save.refusal.problem?.missing ? ` Missing: ${save.refusal.problem.missing}.` : ''}</Alert>}
        <Grid gap="lg">
          <Grid.Col span={{ base: 12, md: 7 }}>
            <Tabs value={tab} onChange={(next) => onTab(next === 'yaml' ? 'yaml' : 'form')} keepMounted={false}>
              <Tabs.List mb="md">
                <Tabs.Tab value="form">Form</Tabs.Tab>
                <Tabs.Tab value="yaml">YAML</Tabs.Tab>
              </Tabs.List>
              <Tabs.Panel value="form" onKeyDown={undoKey}>
                <FormOf {...{ text, stored: props.stored !== undefined, open: there, onOpen, onCancel: cancelRule, onText: (next: string) => change({ type: 'text', text: next }) }} />
              </Tabs.Panel>
              <Tabs.Panel value="yaml">
                <Suspense fallback={<Skeleton height={300} />}>
                  <YamlEditor text={text} dark={dark} problems={notes(shown, draft.of === text, reading.problem)} labels={around.labels(undefined)} onChange={(next) => change({ type: 'text', text: next, topic: 'yaml' })} />
                </Suspense>
                {reading.problem && <Alert color="red" variant="outline" styles={readable} mt="sm">Line {reading.problem.line}: {reading.problem.message}</Alert>}
              </Tabs.Panel>
            </Tabs>
          </Grid.Col>
          <Grid.Col span={{ base: 12, md: 5 }}>
            <BesideOnce draft={shown} stale={draft.of !== text} error={draft.error} cluster={around.cluster} open={there} />
          </Grid.Col>
        </Grid>
      </Stack>
      {save.conflict && <ConflictDialog mine={text} theirs={save.conflict} onOverwrite={() => save.overwrite(text)} onTheirs={(theirs) => { change({ type: 'text', text: theirs.yaml }); save.adopt(theirs); }} onClose={save.clear} />}
    </FormProvider>
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

function Head({ id, stored, dirty, onClose }: { id: ReturnType<typeof identity>; stored: boolean; dirty: boolean; onClose: () => void }) {
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
  text: string;
  save: ReturnType<typeof useSave>;
  change: ReturnType<typeof useHistory>['change'];
  history: ReturnType<typeof useHistory>['history'];
  id: ReturnType<typeof identity>;
  allowed: boolean | undefined;
  missing: string | undefined;
  waiting: boolean;
}

function Actions({ api, text, save, change, history, id, allowed, missing, waiting }: ActionsProps) {
  const [dialog, setDialog] = useState<'preview' | 'saveAs'>();
  const forbidden = allowed === false && !waiting;
  return (
    <Stack gap={4}>
      <Group gap="xs" role="toolbar" aria-label="Policy actions">
        <Button onClick={() => save.save(text)} loading={save.busy} disabled={forbidden || id.kind === undefined} aria-describedby={forbidden ? 'why-not' : undefined}>{id.kind && isStaged(id.kind) ? 'Save staged' : 'Save'}</Button>
        <Button variant="default" onClick={() => setDialog('saveAs')} disabled={id.kind === undefined}>Save as</Button>
        <Button variant="default" onClick={() => setDialog('preview')}>Preview</Button>
        <Button variant="subtle" onClick={() => change({ type: 'undo' })} disabled={history.past.length === 0}>Undo</Button>
        <Button variant="subtle" onClick={() => change({ type: 'redo' })} disabled={history.future.length === 0}>Redo</Button>
        <Button variant="subtle" onClick={() => download(`${id.name || 'policy'}.yaml`, text)}>Download YAML</Button>
        <Copy label="Copy as YAML" value={text} />
        <Copy label="Copy as command" value={asCommand(text)} />
      </Group>
      {forbidden && <Text id="why-not" size="sm" role="note" style={{ overflowWrap: 'anywhere' }}>You may not save this{missing ? `: it needs ${missing}` : ''}.</Text>}
      {dialog === 'preview' && <PreviewDialog api={api} text={text} onClose={() => setDialog(undefined)} />}
      {dialog === 'saveAs' && <SaveAsDialog text={text} name={id.name} busy={save.busy} onSave={(copy) => { setDialog(undefined); save.create(copy); change({ type: 'text', text: copy }); }} onClose={() => setDialog(undefined)} />}
    </Stack>
  );
}

function Copy({ label, value }: { label: string; value: string }) {
  return <CopyButton value={value}>{({ copied, copy }) => <Button variant="subtle" onClick={copy}>{copied ? 'Copied' : label}</Button>}</CopyButton>;
}

function download(name: string, text: string) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/yaml' }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

interface FormOfProps {
  text: string;
  stored: boolean;
  open: OpenRule | undefined;
  onOpen: (rule: OpenRule | undefined) => void;
  onCancel: () => void;
  onText: (text: string) => void;
}

function FormOf({ text, stored, open, onOpen, onCancel, onText }: FormOfProps) {
  const { value, problem } = readText(text);
  if (problem) return <Alert color="yellow" variant="outline" styles={readable}>The YAML cannot be read, so there is no form of it. Line {problem.line}: {problem.message} The YAML tab shows it.</Alert>;
  const kind = policyKind(value);
  if (!kind) return <Alert color="yellow" variant="outline" styles={readable}>This is no kind of policy that the form knows: its apiVersion and kind say what it is, in the YAML tab.</Alert>;
  if (family(kind) === 'kubernetes') return <KubernetesForm value={value} stored={stored} />;
  if (family(kind) === 'cluster') return <ClusterForm value={value} stored={stored} />;
  const policy = readPolicy(value);
  if (!policy) return null;
  const toKubernetes = stored || isGlobal(kind) ? undefined : () => onText(newKubernetesPolicy(policy.name, policy.namespace));
  return <TieredForm {...{ policy, stored, open, onOpen, onCancel, toKubernetes }} />;
}
