// Package dataplane is the border between compiled tables and what enforces
// them. dataplane/nft puts them into the kernel, dataplane/fake keeps them in
// memory and answers as a kernel would.
package dataplane
