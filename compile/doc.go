// Package compile turns a model.State, and changes to it, into table.Tables,
// and changes to them.
//
// It works in four steps, one file each:
//
//   - program.go: what applies to an endpoint in a direction, as a list of
//     stages (failsafe ports, tiers, profiles) of rules. Endpoints with equal
//     programs share one Set.
//   - partition.go: the address conditions of all rules in force (atoms) divide
//     the addresses into classes; two addresses are in one class when the same
//     atoms contain them.
//   - row.go: for a program and a class, the rules that are left only differ in
//     protocols and ports; walking them divides the ports into cells.
//   - intern.go: equal things get equal ids, now and after the next change.
//
// The compiler shares no code with the oracle (package evaluate) but the model
// and the selector language, so that comparing the two means something.
package compile
