/** Drag and drop, in one place. It is an extra: keys and the Move dialog do the same. */
import { DragDropProvider, useDraggable, useDroppable } from '@dnd-kit/react';
import type { ReactNode } from 'react';

interface Place {
  tier: string;
  before?: string;
}

export function DragBoard({ onDrop, children }: { onDrop: (id: string, tier: string, before: string | undefined) => void; children: ReactNode }) {
  return (
    <DragDropProvider onDragEnd={({ canceled, operation: { source, target } }) => {
      const place = target?.data as Place | undefined;
      if (!canceled && source && place?.tier) onDrop(String(source.id), place.tier, place.before);
    }}>{children}</DragDropProvider>
  );
}

/** A place to drop at: before a card, or without `before` at the end of the tier. */
export function Drop({ id, tier, before, children }: { id: string; children: ReactNode } & Place) {
  const { ref, isDropTarget } = useDroppable({ id, data: { tier, before } });
  return <div ref={ref} style={isDropTarget ? { outline: '3px solid var(--mantine-primary-color-filled)', borderRadius: 4 } : undefined}>{children}</div>;
}

export function useDrag(id: string, disabled: boolean): { ref: (element: Element | null) => void; handleRef: (element: Element | null) => void } {
  const { ref, handleRef } = useDraggable({ id, disabled });
  return { ref, handleRef };
}
