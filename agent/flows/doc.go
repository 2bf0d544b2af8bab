// Package flows tells what happened on a node: which connections came about and
// which attempts were denied, between whom, and by which rules.
//
//	listen.go     what the kernel says: conntrack's events, and the log group of denials
//	book.go       what the numbers in it stand for: sets, classes and rows, for as
//	              long as the kernel may say them
//	ends.go       who has which address, and had it a moment ago
//	collector.go  connections that are open, and records of a short window
//	sender.go     the way to the server, with a buffer for when it is away
//
// The agent hands over each change before it is in the kernel (Book.Take,
// Directory.See), so that nothing the kernel says is unknown here. Nothing that
// is enforced waits for this package. Everything is bounded, and what does not
// fit is counted: flow.Loss.
package flows
