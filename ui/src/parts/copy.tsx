import { Button, CopyButton, Menu, type ButtonProps } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useState } from 'react';
import { answer, api } from '../api/client';
import { kubectl, parseId, shortName } from '../api/names';

/** Copies a command line, which does the same as the button beside it. */
export function CopyCommand({ command, ...rest }: { command: string } & ButtonProps) {
  return (
    <CopyButton value={command}>
      {({ copied, copy }) => <Button variant="default" size="xs" onClick={copy} title={command} {...rest}>{copied ? 'Copied' : 'Copy as command'}</Button>}
    </CopyButton>
  );
}

/** Copies an object as it is stored. */
export function CopyYaml({ id, ...rest }: { id: string } & ButtonProps) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(await readYaml(id));
      setCopied(true);
    } catch (thrown) {
      notifyError(thrown);
    }
  };
  return <Button variant="default" size="xs" onClick={() => void copy()} {...rest}>{copied ? 'Copied' : 'Copy as YAML'}</Button>;
}

/** Copies an object as it is stored, or the command that shows it: for rows of a table. */
export function CopyMenu({ id }: { id: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async (text: () => Promise<string>) => {
    try {
      await navigator.clipboard.writeText(await text());
      setCopied(true);
    } catch (thrown) {
      notifyError(thrown);
    }
  };
  return (
    <Menu position="bottom-end" withinPortal onOpen={() => setCopied(false)}>
      <Menu.Target><Button variant="default" size="compact-xs" aria-label={`Copy ${shortName(id)}`}>{copied ? 'Copied' : 'Copy ▾'}</Button></Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => void copy(() => readYaml(id))}>Copy as YAML</Menu.Item>
        <Menu.Item onClick={() => void copy(() => Promise.resolve(kubectl('get', id, '-o yaml')))}>Copy as command</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

export async function readYaml(id: string): Promise<string> {
  const { kind, namespace, name } = parseId(id);
  return (await answer(api.GET('/objects', { params: { query: { kind, name, ...(namespace ? { namespace } : {}) } } }))).yaml;
}

export function notifyError(thrown: unknown): void {
  notifications.show({ color: 'red', title: 'That did not work', message: thrown instanceof Error ? thrown.message : String(thrown), autoClose: 15_000 });
}
