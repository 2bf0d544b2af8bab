/** The command that does what Save does, to be pasted into a shell. */
export function asCommand(yaml: string): string {
  // A quoted here-document takes everything as it is; its end must not be a line of the text.
  const lines = yaml.split('\n');
  let end = 'EOF';
  while (lines.includes(end)) end += 'F';
  return `kubectl apply -f - <<'${end}'\n${yaml.endsWith('\n') ? yaml : `${yaml}\n`}${end}\n`;
}
