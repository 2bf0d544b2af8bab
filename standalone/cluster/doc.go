// Package cluster is a whole cluster on one machine: the embedded control
// plane, the lab's nodes and pods, and a real agent on each node. It can be
// told to hold just a given set of objects (Sync), and says when every agent
// has them in its kernel, so that what is probed after that is what was asked
// for.
package cluster
