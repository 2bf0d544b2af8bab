// Package agent enforces policy on one node: it watches the Kubernetes API,
// keeps compiled tables for the node's own endpoints, finds their interfaces in
// the kernel, and hands both to a dataplane.
//
//	watch.go      the API: one reflector a kind, each change translated at once
//	watchhost.go  the kernel: what it reports of interfaces, addresses and routes
//	host.go       the node as the kernel describes it
//	places.go     which endpoint is on which interface
//	agent.go      the loop between these and the dataplane
//	needs.go      what the node itself cannot do without
//	guard.go      warns of policy that would cut that
//	cut.go        which open connections the tables deny
//	watcher.go    what is wrong between objects, and between them and the node
//	reporter.go   tells the server, and news.go what; finder.go learns where it is
//	remove.go     takes everything out
//	health.go     probes, and metrics.go what they count
//	status.go     what is enforced, for those who ask on this node
//	log.go        what the kernel's Log rules say, put into words
//
// Nothing is enforced before every kind has been listed once, so that an agent
// that starts never opens what it has not yet heard of. An agent that loses the
// API, or ends, leaves the kernel as it was.
package agent
