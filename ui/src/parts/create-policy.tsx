import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useCreatePolicyPermission } from '../api/access';
import { Gated } from './gated';

/** The way to the form of a new policy; greyed, with the reason, for who may create none. */
export function CreatePolicy() {
  const permission = useCreatePolicyPermission();
  if (permission.allowed || permission.unknown) return <Button component={Link} to="/policies/new" size="xs">Create policy</Button>;
  return <Gated size="xs" permission={permission} onClick={() => {}}>Create policy</Gated>;
}
