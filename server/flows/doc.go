// Package flows is the server's store of flows: what agents record comes in, and
// whoever may see it asks.
//
//	codec.go    records as bytes: what records have in common is written once a segment
//	segment.go  files that are only appended to, each frame with its checksum
//	store.go    the list of segments; room.go what goes when there are too many, or damaged ones
//	read.go     questions: pages, followers, and count.go what rules did
//	otlp.go     what others get of it
//	metrics.go  what is counted
//	handler.go  HTTP for agents and readers, and access.go who may see what
//
// docs/design/019-flows.md has the reasons: a log of segments and not a database.
package flows
