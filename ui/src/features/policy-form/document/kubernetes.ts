/** Kubernetes label selectors as rows, read from and written to the document. */
import { isMap } from 'yaml';
import { setField, valueAt, type Edit, type Path } from './edit';
import { fields, list, text, words } from './policy';

export { all, defaultTypes, fields, list, number, set, text, word, words } from './policy';

export interface LabelCondition {
  key: string;
  operator: '=' | 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  values: string[];
}

export function parseLabelSelector(value: unknown): LabelCondition[] {
  const selector = fields(value);
  const labels = Object.entries(fields(selector.matchLabels)).map(([key, label]): LabelCondition => ({ key, operator: '=', values: [text(label)] }));
  const expressions = list(selector.matchExpressions).map((expression): LabelCondition => {
    const { key, operator, values } = fields(expression);
    const known = (['In', 'NotIn', 'Exists', 'DoesNotExist'] as const).find((name) => name === operator);
    return { key: text(key), operator: known ?? 'In', values: words(values) };
  });
  return [...labels, ...expressions];
}

/** Writes rows: "=" as matchLabels, the rest as matchExpressions, and no rows as {}, which selects everything. */
export function setLabelSelector(path: Path, rows: LabelCondition[]): Edit {
  const equal = new Map<string, string>();
  const expressions: { key: string; operator: string; values?: string[] }[] = [];
  for (const { key, operator, values } of rows) {
    // A key can be in matchLabels once; the second condition on it needs the long form.
    if (operator === '=' && !equal.has(key)) equal.set(key, values[0] ?? '');
    else if (operator === '=') expressions.push({ key, operator: 'In', values: values.slice(0, 1) });
    else if (operator === 'Exists' || operator === 'DoesNotExist') expressions.push({ key, operator });
    else expressions.push({ key, operator, values });
  }
  return (document) => {
    if (!isMap(document.getIn(path, true))) document.setIn(path, document.createNode({}));
    setField(document, [...path, 'matchLabels'], Object.fromEntries(equal), path.length + 1);
    setField(document, [...path, 'matchExpressions'], expressions as never, path.length + 1);
  };
}

/** Changes rows, beginning with those that the document has when it is done. */
export function editLabelSelector(path: Path, change: (rows: LabelCondition[]) => LabelCondition[]): Edit {
  return (document) => setLabelSelector(path, change(parseLabelSelector(valueAt(document, path))))(document);
}
