// Package conformance is the corpus: PolicyTests over one cluster, that of the
// tutorial (cluster.yaml). It runs on the oracle, on the compiled tables and on
// the kernel; what a real network cannot show is in offline/ and runs on the
// first two.
package conformance

import "embed"

//go:embed *.yaml
var files embed.FS

// Files returns the tests that a real network can show, with cluster.yaml.
func Files() embed.FS { return files }
