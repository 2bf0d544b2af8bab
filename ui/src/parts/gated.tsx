import { Button, Tooltip, type ButtonProps } from '@mantine/core';
import type { ReactNode } from 'react';
import type { Permission } from '../api/access';

/**
 * A button that is greyed, and says which right is missing, where the user may not. It can still be
 * reached by keyboard and is read out, so that the reason is there for everyone.
 */
export function Gated({ permission, onClick, children, ...rest }: { permission: Permission; onClick: () => void; children: ReactNode } & ButtonProps) {
  // What is not known yet, the server's answer to the deed says.
  const why = permission.allowed || permission.unknown ? undefined : `You may not: this needs ${permission.missing ?? 'a right that you do not have'}`;
  const button = (
    <Button {...rest} aria-disabled={why ? true : undefined} data-disabled={why ? true : undefined} aria-description={why} onClick={(event) => (why ? event.preventDefault() : onClick())}>
      {children}
    </Button>
  );
  return why ? <Tooltip label={why} multiline maw={360} events={{ hover: true, focus: true, touch: true }}>{button}</Tooltip> : button;
}
