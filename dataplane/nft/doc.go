// Package nft enforces programs with nftables, by netlink alone.
//
// Everything is in one table, inet tierwall, and is meant to be read with
// `nft list table inet tierwall`. A new connection goes through it so:
//
//	forward, input, output   base chains: what conntrack knows is accepted,
//	established              unless it begins a connection all the same (see known.go)
//	from-pod, to-pod         (interface, own address) -> the set's chain; a local
//	                         pod that is not programmed is closed here
//	at-host-...              interface -> the set's chain of the host endpoint, a chain for
//	                         each stage and direction (semantics.md section 11)
//	untracked-in, -out,      base chains at the priorities of raw and mangle, and before
//	before-dnat, forward-in  forward; they are there while a policy asks for the stage
//	out-N, in-N              one chain a table.Set: the peer's address becomes a
//	                         class (maps host4, net4, ...), the class a row (map rows-N)
//	row-N                    protocol and ports -> verdict; rows that differ only in
//	                         their reasons share a chain
//
// N is the id of the first set, or row, that the chain was made for: a set whose
// endpoints all go to another hands its place over (see heir), and which policies it
// is about stands at the first rule of the chain.
//
// The class travels in the packet's priority, never in its mark: kube-proxy
// uses the mark, and nobody reads the priority between here and the end of the
// chain, where it is set to none again. Allow is `return` everywhere, so that
// egress and ingress policy can both be asked; only Deny ends the walk. A local
// endpoint's miss is a drop.
//
// # Changes under traffic
//
// The kernel applies a transaction atomically to rules: a packet sees the rules
// that were there when its walk began. For elements of maps it does not: a
// look-up sees what is there at that moment. Apply therefore changes the table
// in three transactions, following table.Delta: it adds chains and maps that
// nothing points at, flips single elements of live maps, and then deletes what
// nothing points at any more. What a name in the table stands for never
// changes while a packet can reach it, but where an heir makes no difference to it. Between flip and deletion it waits until
// every packet that began before the flip has left the kernel's hooks: Apply
// itself, Change after it returned (see later).
//
// One packet makes two look-ups that a change may come between: its set, then
// the peer's class. Where a policy's edit changes both, the addresses concerned
// go to their new classes by way of classes that the old sets and the new both
// know (see bridge), and the flip takes three transactions instead of one.
//
// An edit of policy mostly changes neither: the new set takes the chain and the map
// of the old one, and the few elements that differ are changed (see heir).
//
// # Traces
//
// With Options.FlowGroup, the chain of a set notes itself and the peer's class in
// the labels of the connection (dataplane.Label), and denials go by way of a chain
// that sends the packet to the group, or counts it. What a set and a class mean
// never changes, so that the two numbers say why a connection was allowed for as
// long as it is open. So do those of hosts for traffic that is forwarded (noted).
//
// # Others
//
// Watch listens to the kernel's reports of changes of tables. What bears another
// netlink port than ours and is about our table is drift: the next Apply builds
// a new epoch, as at the start.
//
// # Starting beside a table that exists
//
// The ids of a former process mean nothing to this one. The first Apply, and
// each after a failure, builds everything anew under names with the next epoch
// (row-7.2 is row 7 of epoch 2), replaces the rules of the three base chains in
// one transaction, and deletes what is left of the former epoch. The rules of a
// base chain are all that leads into an epoch, and a packet sees either the old
// rules or the new: it walks one epoch from end to end.
package nft
