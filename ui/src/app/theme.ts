import { createTheme, type MantineColorsTuple } from '@mantine/core';

const wall: MantineColorsTuple = ['#eef4fb', '#d9e6f5', '#b0cbe9', '#84aedd', '#5f95d2', '#3f7fc9', '#2a6bb8', '#1d5499', '#163f75', '#0f2b51'];

/** Contrast of 4.5 and more in both schemes; axe holds it on each route. */
export const theme = createTheme({
  primaryColor: 'wall',
  primaryShade: { light: 7, dark: 6 },
  colors: { wall },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
  defaultRadius: 'sm',
  focusRing: 'auto',
  cursorType: 'pointer',
  // What a field is about stands under it: fields in a row then stand in a row.
  components: { InputWrapper: { defaultProps: { inputWrapperOrder: ['label', 'input', 'description', 'error'] } }, Alert: { defaultProps: { variant: 'outline', styles: { title: { color: 'var(--mantine-color-text)' } } } }, Badge: { defaultProps: { tt: 'none', variant: 'default' } }, Anchor: { defaultProps: { underline: 'always' } } },
});
