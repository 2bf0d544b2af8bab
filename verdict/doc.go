// Package verdict holds the words in which every part of Tierwall speaks of a
// decision: what was asked (Packet), what came of it (Verdict), and why (Trace).
//
// It is a leaf. The oracle (evaluate), the compiled tables (table) and the
// commands all produce or print these values and nothing else, which is what
// makes "oracle, tables and kernel agree, reason included" a comparison of two
// values. A verdict without its reason does not exist: Trace carries both.
package verdict
