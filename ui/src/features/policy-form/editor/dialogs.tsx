import { Alert, Button, Checkbox, Code, Group, List, Loader, Modal, SimpleGrid, Stack, Table, Text, TextInput, Title } from '@mantine/core';
import { useCallback, useEffect, useState } from 'react';
import { asApiError, type ApiError, type PolicyApi, type Preview, type PreviewFlows, type StoredObject } from '../api';
import { problemText } from '../beside/Beside';
import { copyAs, identity } from '../document/copy';
import { family } from '../document/kinds';
import { FlowChanges } from '../../../parts/flow-changes';
import { readable } from '../form/readable';

/** Which pairs of groups of endpoints change their verdict if the text is saved, and which of the flows that were seen. */
export function PreviewDialog({ api, text, onClose }: { api: PolicyApi; text: string; onClose: () => void }) {
  const preview = useAnswer(useCallback((signal: AbortSignal) => api.preview(text, signal), [api, text]));
  const flows = useAnswer(useCallback((signal: AbortSignal) => api.previewFlows(text, signal), [api, text]));
  const refused = preview.answer?.problems.some((problem) => problem.refuses);
  return (
    <Modal opened onClose={onClose} title="Preview: what saving would change" size="xl" closeButtonProps={{ 'aria-label': 'Close' }}>
      <Stack gap="md">
        {preview.error !== undefined && <Alert color="red" variant="outline" styles={readable}>{preview.error}</Alert>}
        {!preview.answer && preview.error === undefined && <Loader aria-label="The server compares" />}
        {preview.answer && <Changes answer={preview.answer} />}
        {preview.answer && !refused && <Seen {...flows} />}
      </Stack>
    </Modal>
  );
}

/** An answer, or in words why there is none. `ask` must stay the same as long as the question does. */
function useAnswer<T>(ask: (signal: AbortSignal) => Promise<T>): { answer?: T; error?: string } {
  const [state, setState] = useState<{ answer?: T; error?: string }>({});
  useEffect(() => {
    const controller = new AbortController();
    setState({});
    ask(controller.signal).then((answer) => setState({ answer }), (thrown: unknown) => {
      if (!controller.signal.aborted) setState({ error: asApiError(thrown).message });
    });
    return () => controller.abort();
  }, [ask]);
  return state;
}

/** What of the recorded flows would have been decided otherwise: what was seen, beside what is possible. */
function Seen({ answer, error }: { answer?: PreviewFlows; error?: string }) {
  return (
    <Stack gap="xs" component="section" aria-label="Recorded flows">
      <Title order={2} size="h5">In the flows that were recorded{answer?.oldest ? ` since ${new Date(answer.oldest).toLocaleString()}` : ''}</Title>
      {error !== undefined && <Alert color="red" variant="outline" styles={readable}>{error}</Alert>}
      {!answer && error === undefined && <Loader size="sm" aria-label="The server decides recorded flows again" />}
      {answer?.unavailable && <Text size="sm">Not shown: {answer.unavailable.reason}.</Text>}
      {answer && !answer.unavailable && (
        <>
          <FlowChanges title="Newly denied" changes={answer.denied} none="Nothing that was seen would be denied that was allowed." />
          <FlowChanges title="Newly allowed" changes={answer.allowed} none="Nothing that was seen would be allowed that was denied." />
          <Text size="sm">{answer.unchanged.toLocaleString('en')} connections would be decided as they are now{answer.unknown > 0 && <>; of {answer.unknown.toLocaleString('en')} it is not known, since an end is gone</>}.</Text>
        </>
      )}
    </Stack>
  );
}

function Changes({ answer }: { answer: Preview }) {
  const title = new Map(answer.groups.map((group) => [group.id, group.title]));
  if (answer.problems.some((problem) => problem.refuses)) {
    return <Alert color="red" variant="outline" styles={readable} title="The API would refuse it"><List size="sm">{answer.problems.map((problem, i) => <List.Item key={i}>{problemText(problem)}</List.Item>)}</List></Alert>;
  }
  return (
    <Stack gap="sm">
      <Text size="sm">
        Simulated, nothing is saved: {answer.allowed} newly allowed, {answer.denied} newly denied pairs of groups. It concerns new connections; open ones go on.
      </Text>
      {answer.changes.length < answer.total && <Text size="sm">Showing {answer.changes.length} of {answer.total} changes.</Text>}
      {answer.changes.length === 0 ? (
        <Text size="sm">No connection changes its verdict.</Text>
      ) : (
        <Table.ScrollContainer minWidth={500}>
          <Table>
            <Table.Thead><Table.Tr><Table.Th>Newly</Table.Th><Table.Th>From</Table.Th><Table.Th>To</Table.Th><Table.Th>Ports, and why</Table.Th></Table.Tr></Table.Thead>
            <Table.Tbody>
              {answer.changes.map((change, i) => (
                <Table.Tr key={i}>
                  <Table.Td>{change.verdict === 'allow' ? '✓ allowed' : '✕ denied'}</Table.Td>
                  <Table.Td>{title.get(change.from) ?? change.from}</Table.Td>
                  <Table.Td>{title.get(change.to) ?? change.to}</Table.Td>
                  <Table.Td>{change.ports.map((port, j) => <Text size="sm" key={j}>{port.ports}{port.because ? `: ${port.because}` : ''}</Text>)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </Stack>
  );
}

/** Saving under another name, or as a staged policy beside the enforced one. It stays open, with the reason, where that fails. */
export function SaveAsDialog({ text, name, busy, onSave, onClose }: { text: string; name: string; busy: boolean; onSave: (copy: string) => Promise<ApiError | undefined>; onClose: () => void }) {
  const [chosen, setChosen] = useState(name);
  const [staged, setStaged] = useState(false);
  const [error, setError] = useState<ApiError>();
  const { kind } = identity(text);
  const save = async () => {
    const failed = await onSave(copyAs(text, chosen, staged));
    setError(failed);
    if (!failed) onClose();
  };
  return (
    <Modal opened onClose={onClose} title="Save as" closeButtonProps={{ 'aria-label': 'Close' }}>
      <form onSubmit={(event) => { event.preventDefault(); void save(); }}>
        <Stack>
          <TextInput label="Name" data-autofocus value={chosen} onChange={(event) => setChosen(event.currentTarget.value)} required />
          {kind && family(kind) === 'tiered' && <Checkbox label="As a staged policy" description="It is compared, not enforced" checked={staged} onChange={(event) => setStaged(event.currentTarget.checked)} />}
          {error && <Refusal error={error} />}
          <Group justify="flex-end"><Button variant="default" onClick={onClose}>Cancel</Button><Button type="submit" loading={busy}>Save copy</Button></Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** Why something was not saved: the server's words, the right that is missing, and what is wrong where. */
export function Refusal({ error, onClose }: { error: ApiError; onClose?: () => void }) {
  const { missing, problems } = error.problem ?? {};
  return (
    <Alert color="red" variant="outline" styles={readable} role="alert" title="Not saved" {...(onClose ? { withCloseButton: true, closeButtonLabel: 'Close', onClose } : {})}>
      {error.message}{missing ? ` Missing: ${missing}.` : ''}
      {problems && problems.length > 0 && <List size="sm">{problems.map((problem, i) => <List.Item key={i}>{problemText(problem)}</List.Item>)}</List>}
    </Alert>
  );
}

/** Somebody else saved first: both texts side by side, and nothing is lost whatever is chosen. */
export function ConflictDialog({ mine, theirs, onOverwrite, onTheirs, onClose }: { mine: string; theirs: StoredObject; onOverwrite: () => void; onTheirs: (theirs: StoredObject) => void; onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title="Somebody else has saved this policy meanwhile" size="80%" closeButtonProps={{ 'aria-label': 'Close' }}>
      <Stack>
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <Lines title="Yours" text={mine} other={theirs.yaml} />
          <Lines title="What is stored now" text={theirs.yaml} other={mine} />
        </SimpleGrid>
        <Text size="sm">Lines marked with ▸ are not in the other text.</Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>Keep editing mine</Button>
          <Button variant="default" onClick={() => onTheirs(theirs)}>Take what is stored (Undo brings yours back)</Button>
          <Button color="red" onClick={onOverwrite}>Save mine over it</Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function Lines({ title, text, other }: { title: string; text: string; other: string }) {
  const known = new Set(other.split('\n').map((line) => line.trim()));
  return (
    <div>
      <Text fw={600} size="sm">{title}</Text>
      <Code block tabIndex={0} aria-label={title} style={{ maxHeight: '50vh', overflow: 'auto' }}>
        {text.split('\n').map((line) => `${known.has(line.trim()) ? '  ' : '▸ '}${line}`).join('\n')}
      </Code>
    </div>
  );
}
