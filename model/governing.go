package model

import "net/netip"

// Governing returns the host endpoint that polices a node's own connections on
// one of its addresses, as Connect takes it to be; nil if none does.
func (s *State) Governing(node string, a netip.Addr) *Endpoint { return s.governing(node, a) }
