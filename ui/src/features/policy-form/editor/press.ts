/**
 * Nothing on the page moves between the press of a pointer and its release: what
 * would be redrawn then waits, or the release would hit something else than the press
 * and the click would be lost.
 */

/** A press that nobody ends (the window lost it) holds nothing up for longer, in milliseconds. */
const longest = 1000;

let pressed = false;
let limit: ReturnType<typeof setTimeout> | undefined;
const waiting = new Set<() => void>();

function press() {
  pressed = true;
  clearTimeout(limit);
  limit = setTimeout(release, longest);
}

function release() {
  pressed = false;
  clearTimeout(limit);
  // The click comes with the release: what waited is drawn after it.
  setTimeout(() => {
    if (pressed) return;
    const calls = [...waiting];
    waiting.clear();
    for (const call of calls) call();
  });
}

window.addEventListener('pointerdown', press, { capture: true });
window.addEventListener('pointerup', release, { capture: true });
window.addEventListener('pointercancel', release, { capture: true });

/** Calls at once, or while a pointer is pressed once it is released. */
export function whenReleased(call: () => void): void {
  if (pressed) waiting.add(call);
  else call();
}
