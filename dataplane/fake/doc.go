// Package fake is a dataplane in memory, for tests of what stands above it.
//
// It takes changes as a kernel does: the table.Delta from what it holds to what
// is asked for, step by step and key by key, on a copy of its own. After every
// step it checks what a dataplane relies on (nothing points at what is missing,
// no id changes its meaning), and Apply returns the first breach as an error:
// it is a fault of the compiler or of table.Diff. It answers for packets as the
// kernel would, and fails where a test asks it to.
package fake
