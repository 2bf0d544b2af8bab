/** The URL's search parameters, read as what they may be: what is not of its type is left out. */
type Raw = Record<string, unknown>;

export function text(raw: Raw, key: string): string | undefined {
  const value = raw[key];
  return (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') && String(value) !== '' ? String(value) : undefined;
}

export function list(raw: Raw, key: string): string[] | undefined {
  const value = raw[key];
  const all = (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(String).filter(Boolean);
  return all.length > 0 ? all : undefined;
}

export function oneOf<T extends string>(raw: Raw, key: string, words: readonly T[]): T | undefined {
  return words.find((word) => word === raw[key]);
}

export function whole(raw: Raw, key: string): number | undefined {
  const value = Number(raw[key]);
  return Number.isInteger(value) && value > 0 ? value : undefined;
}

export function flag(raw: Raw, key: string): true | undefined {
  return raw[key] === true || raw[key] === 'true' ? true : undefined;
}

/** Only a place of these pages: never another site. */
export function localPath(raw: Raw, key: string): string | undefined {
  const value = text(raw, key);
  return value && /^\/(?![/\\])/.test(value) ? value : undefined;
}

/** The parameters with every one of them optional, for links that give some. */
export function optional<T extends object>(parameters: T): Partial<T> {
  return parameters;
}
