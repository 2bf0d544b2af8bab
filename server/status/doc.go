// Package status puts together what all agents report and writes it where
// people look: the condition Programmed on each policy, and the list of nodes
// in one ConfigMap. docs/design/008-status.md says why it is done so.
//
//	board.go    what is known of nodes and policies, and what follows; pure
//	roll.go     how far all nodes are, and which policies lie between two versions
//	nodeset.go  where a policy applies
//	kinds.go    the kinds of policies of which it is told
//	handler.go  reports come in: who may report for which node
//	run.go      policies and nodes are watched, and what follows is written
//	publish.go  the lists that all may read
package status
