// Package replay asks what other policy would have done with flows that were
// recorded: those that what is staged would cut, and those that it would let
// through, with the flows as evidence. What is decided comes from compiled tables,
// as in enforcement.
//
// It tells of what was seen. What could be, seen or not, is analysis.PreviewOf.
package replay
