// Package agent enforces policy on one node: it watches the Kubernetes API,
// keeps compiled tables for the node's own endpoints, finds their interfaces in
// the kernel, and hands both to a dataplane.
//
//	watch.go       the API: one reflector a kind, each change translated at once
//	interfaces.go  the kernel: which interface belongs to which endpoint
//	agent.go       the loop between the two and the dataplane
//	log.go         what the kernel's Log rules say, put into words
//
// Nothing is enforced before every kind has been listed once, so that an agent
// that starts never opens what it has not yet heard of. An agent that loses the
// API, or ends, leaves the kernel as it was.
package agent
