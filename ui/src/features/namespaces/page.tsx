export function NamespacesPage() { return null; }
