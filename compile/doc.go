// Package compile turns a model.State, and changes to it, into table.Tables,
// and changes to them, with work in proportion to what changed.
//
//   - world.go and labels.go keep what of the world matters: objects that no
//     selector can tell apart are one group, and selectors are evaluated once
//     for each group. index.go finds the selectors for a group and the groups
//     for a selector by the labels that the selectors require.
//   - policy.go: policies, profiles and failsafe ports as rule sets, ready for
//     peers; condition.go: what they ask of a peer's address. An answer to a
//     condition is an atom: a set of addresses.
//   - domains.go: domain names with the addresses that were learned, and the
//     patterns that find them.
//   - space.go and ranges.go: the addresses, each with the class of those that
//     are in the same atoms.
//   - local.go and program.go: the endpoints that are compiled for, and their
//     programs: what is asked of a packet, in order. Endpoints with equal
//     programs share one table.Set.
//   - row.go and ports.go: for a program and a class, the rules that are left
//     differ in protocols and ports only; a sweep over the ports gives the row.
//     way.go: decisions and the ways that lead to them, each kept once.
//   - compiler.go puts these together, delta.go tells what changed.
//
// docs/design/005-incremental.md draws it, says why it is exact and what it
// costs.
//
// The compiler shares no code with the oracle (package evaluate) but the model
// and the selector language, so that comparing the two means something.
package compile
