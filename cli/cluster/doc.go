// Package cluster reads the objects that verdicts depend on from a live
// cluster, once, for the commands that answer a question and end. The agent does
// not use it: it watches.
package cluster
