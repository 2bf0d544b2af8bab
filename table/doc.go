// Package table holds what policy is compiled to: pure values that answer, for
// a local endpoint, a direction, a peer's address, a protocol and ports, which
// decision was made and why, in constant time however many rules there are.
//
// A look-up goes
//
//	endpoint, direction, local address -> Set      (which policies apply here)
//	peer address                       -> ClassID  (addresses no rule tells apart)
//	Set, ClassID                       -> Row      (what happens to each protocol and port)
//	Row, protocol, ports               -> Trace    (the decision with its reason)
//
// Ids are given once and never used again for something else. What a SetID,
// ClassID or RowID stands for never changes while the id is in use: an edited
// policy makes new sets and rows, and endpoints or addresses are pointed at
// them. That is what lets a dataplane change its tables under traffic, one key
// at a time, with each packet seeing either the old or the new (see Delta).
//
// The package is a leaf: it knows nothing of policies but their names.
package table
