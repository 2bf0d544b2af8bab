import { Alert, Button, Code, List, Skeleton, Stack, Text } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { ApiError, type Schemas } from '../api/client';

interface Viewed {
  view?: Schemas['View'];
}

/** An answer, or why there is none; above it how old it is and what is not in it. */
export function QueryView<T extends Viewed>({ query, children }: { query: UseQueryResult<T, Error>; children: (data: T) => ReactNode }) {
  if (query.data === undefined) {
    if (query.error) return <Failure error={query.error} retry={() => void query.refetch()} />;
    return <Loading />;
  }
  return (
    <Stack gap="sm">
      {query.error && <Alert color="yellow" variant="outline" title="This may be out of date" role="status">
        {query.error.message} What is shown was asked at {new Date(query.dataUpdatedAt).toLocaleTimeString()}.
      </Alert>}
      {query.data.view && <ViewNotes view={query.data.view} />}
      {children(query.data)}
    </Stack>
  );
}

function ViewNotes({ view }: { view: Schemas['View'] }) {
  return (
    <>
      {!view.live && <Alert color="yellow" variant="outline" title="The Kubernetes API is away" role="status">
        This is what was known at <time dateTime={view.asOf}>{new Date(view.asOf).toLocaleString('en-GB')}</time>. {view.reason && sentence(view.reason)}
      </Alert>}
      {view.hidden.length > 0 && <details>
        <summary>{hiddenWords(view.hidden)}</summary>
        <List size="sm" mt={4}>
          {view.hidden.map((one) => <List.Item key={one.kind}>
            {one.kind}: needs <Code>{one.missing}</Code>{one.visibleIn?.length ? `; shown in ${one.visibleIn.join(', ')} all the same` : ''}
          </List.Item>)}
        </List>
      </details>}
    </>
  );
}

/** What the user does not see, in a line: the kinds where they are few, and where they are many, how many. */
function hiddenWords(hidden: Schemas['View']['hidden']): string {
  const kinds = hidden.length <= 3 ? hidden.map((one) => one.kind).join(', ') : `${hidden.length} kinds of objects`;
  const places = [...new Set(hidden.flatMap((one) => one.visibleIn ?? []))];
  const where = places.length > 0 ? ` outside of ${places.slice(0, 3).join(', ')}${places.length > 3 ? ` and ${places.length - 3} more namespaces` : ''}` : '';
  return `You may not see ${kinds}${where}. Verdicts and counts are of the rest.`;
}

function Loading() {
  return (
    <Stack gap="xs" role="status" aria-label="Loading">
      <Skeleton height={28} width="40%" />
      <Skeleton height={18} />
      <Skeleton height={18} />
      <Skeleton height={18} width="70%" />
    </Stack>
  );
}

/** Says what went wrong, in the server's words, and what right is missing if that is it. */
export function Failure({ error, retry }: { error: Error; retry?: () => void }) {
  const problem = error instanceof ApiError ? error.problem : undefined;
  return (
    <Alert color="red" variant="outline" role="alert" title={titleOf(error)}>
      <Text size="sm">{error instanceof ApiError && error.status === 0 ? 'It may be starting, or the network to it is down. What is enforced is not affected.' : sentence(error.message)}</Text>
      {problem?.missing && <Text size="sm">Missing: <Code>{problem.missing}</Code></Text>}
      {problem?.problems?.length ? <List size="sm">{problem.problems.map((one, at) => <List.Item key={at}>
        {one.path && <Code>{one.path}</Code>} {one.message}{one.hint ? ` (${one.hint})` : ''}
      </List.Item>)}</List> : null}
      {retry && <Button mt="xs" size="xs" variant="default" onClick={retry}>Try again</Button>}
    </Alert>
  );
}

function titleOf(error: Error): string {
  if (!(error instanceof ApiError)) return 'Something broke in this page';
  if (error.status === 0) return 'The server does not answer';
  if (error.status === 403) return 'You may not do this';
  if (error.status === 404) return 'It is not there';
  if (error.status === 409) return 'Somebody else has changed it';
  if (error.status === 422 && !error.problem?.problems?.length) return 'That cannot be answered';
  return error.status >= 500 ? 'The server could not do it' : 'The server refused it';
}

/** A reason as a sentence: servers begin theirs with a small letter, to be put after others. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?:]$/.test(text) ? '' : '.'}`;
}

/** Nothing to show, and the reason. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="end" role="status">
      <Text fw={600}>{title}</Text>
      <Text size="sm" c="dimmed" component="div">{typeof children === 'string' ? sentence(children) : children}</Text>
    </div>
  );
}
