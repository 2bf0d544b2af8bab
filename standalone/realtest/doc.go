// Package realtest runs PolicyTests on real packets: the test's objects go into
// a cluster, and when every agent enforces them, every pair of machines opens
// real connections. What the oracle says of each pair is what must be seen.
package realtest
