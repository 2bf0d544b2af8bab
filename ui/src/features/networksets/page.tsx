export function NetworkSetsPage() { return null; }
