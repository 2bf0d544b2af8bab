/** Alerts whose words have the text's colour: their frame and icon carry the hue, which is too pale to read. */
export const readable = { title: { color: 'var(--mantine-color-text)' }, message: { color: 'var(--mantine-color-text)' } };
