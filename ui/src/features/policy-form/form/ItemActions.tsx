import { ActionIcon, Group } from '@mantine/core';
import { duplicateItem, moveItem, removeItem, type Path } from '../document/edit';
import { useForm } from './context';

/** Moving, copying and deleting an item of a list. */
export function ItemActions({ name, path, index, count }: { name: string; path: Path; index: number; count: number }) {
  const { apply } = useForm();
  const icon = (label: string, sign: string, disabled: boolean, onClick: () => void) => (
    <ActionIcon variant="subtle" color="gray" aria-label={`${label} ${name}`} disabled={disabled} onClick={onClick}>{sign}</ActionIcon>
  );
  return (
    <Group gap={4}>
      {icon('Move up', '↑', index === 0, () => apply((document) => moveItem(document, path, index, index - 1)))}
      {icon('Move down', '↓', index === count - 1, () => apply((document) => moveItem(document, path, index, index + 1)))}
      {icon('Duplicate', '+', false, () => apply((document) => duplicateItem(document, path, index)))}
      {icon('Delete', '✕', false, () => apply((document) => removeItem(document, path, index)))}
    </Group>
  );
}
