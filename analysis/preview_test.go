package analysis_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// drafts are random changes of what policy is made of.
func draftOf(g *modeltest.Gen, s *model.State) model.Change {
	for {
		ch := g.Mutation()
		switch ch.Key.Kind {
		case model.KindPolicy, model.KindTier, model.KindNetworkSet, model.KindGlobalNetworkSet, model.KindNamespace:
			if ch.Object != nil || slices.ContainsFunc(s.Objects(), func(o model.Object) bool { return o.Key() == ch.Key }) {
				return ch
			}
		}
	}
}

func mutated(s *model.State, ch model.Change) *model.State {
	out := *s
	out.Policies, out.Tiers, out.NetworkSets = maps.Clone(s.Policies), maps.Clone(s.Tiers), maps.Clone(s.NetworkSets)
	out.Namespaces = maps.Clone(s.Namespaces)
	out.Apply(ch)
	return &out
}

// TestPreviewIsOracle holds a preview against the oracle, asked before and
// after, about random pairs and ports of random worlds.
func TestPreviewIsOracle(t *testing.T) {
	changed, asked := 0, 0
	for seed := range uint64(400) {
		g := modeltest.New(seed)
		s := g.State()
		ch := draftOf(g, s)
		after := mutated(s, ch)
		p := analysis.Compare(s, compile.Compile(s, compile.Options{}), compile.Compile(after, compile.Options{}), 1_000_000, ch)
		if len(p.Changes) != p.Total {
			t.Fatalf("seed %d: %d changes told of %d", seed, len(p.Changes), p.Total)
		}
		refs := ends(s)
		was, is := evaluate.New(s), evaluate.New(after)
		for range 400 {
			from, to, c, packet, ok := meeting(g, s, refs)
			if !ok {
				continue
			}
			b, a := normal(was, c, packet), normal(is, c, packet)
			asked++
			if a != b {
				changed++
			}
			for _, v := range []verdict.Verdict{verdict.Allow, verdict.Deny} {
				want := a == v && b != v
				if got := tells(s, p, from, to, packet, v); got != want {
					t.Fatalf("seed %d: %s: %s -> %s %s: told as new %s: %v, want %v (before %v, after %v)", seed, ch.Key, from, to, packet, v, got, want, b, a)
				}
			}
		}
	}
	if changed < 1000 {
		t.Errorf("only %d of %d connections changed: the worlds do not try much", changed, asked)
	}
	t.Logf("%d of %d connections changed", changed, asked)
}

// normal is the verdict of the normal stage of both sides.
func normal(o *evaluate.Oracle, c model.Connection, p verdict.Packet) verdict.Verdict {
	for d, side := range map[verdict.Direction]model.Side{verdict.Egress: c.Egress, verdict.Ingress: c.Ingress} {
		trace := side.Fixed
		if side.Endpoint != nil {
			trace = o.Decide(side.Endpoint, d, p)
		}
		if trace.Verdict != verdict.Allow {
			return verdict.Deny
		}
	}
	return verdict.Allow
}

// ends are all but the outside, without those that stand for nothing.
func ends(s *model.State) (all []string) {
	for _, e := range s.SortedEndpoints() {
		all = append(all, e.ID.String())
	}
	for name, n := range s.Nodes {
		if len(n.Addrs) > 0 {
			all = append(all, "node:"+name)
		}
	}
	slices.Sort(all)
	return all
}

// meeting is a packet between two ends of a world, one of which may be outside; it
// is not ok if they cannot meet.
func meeting(g *modeltest.Gen, s *model.State, refs []string) (from, to string, c model.Connection, p verdict.Packet, ok bool) {
	from, to = refs[g.IntN(len(refs))], refs[g.IntN(len(refs))]
	if g.IntN(4) == 0 {
		from = outsider(g, s)
	} else if g.IntN(3) == 0 {
		to = outsider(g, s)
	}
	c, err := s.Connect(from, to)
	if err != nil {
		return from, to, c, p, false
	}
	p = g.Packet(verdict.Egress, c.Egress.Addr)
	p.Src, p.Dst = c.Egress.Addr, c.Ingress.Addr
	return from, to, c, p, true
}

// outsider returns an address that no endpoint and no node has, and that may be
// in a network that policies name.
func outsider(g *modeltest.Gen, s *model.State) string {
	for {
		a := g.Packet(verdict.Ingress, netip.MustParseAddr([]string{"10.0.0.1", "fd00::1"}[g.IntN(2)])).Src
		taken := slices.ContainsFunc(s.SortedEndpoints(), func(e *model.Endpoint) bool { return slices.Contains(e.Addrs, a) })
		for _, n := range s.Nodes {
			taken = taken || slices.Contains(n.Addrs, a)
		}
		if !taken {
			return a.String()
		}
	}
}

// tells reports whether a preview says that a connection is newly allowed or
// denied, with the rules for pairs that no policy is asked about.
func tells(s *model.State, p *analysis.Preview, from, to string, k verdict.Packet, v verdict.Verdict) bool {
	nodeOf := func(ref string) (node string, host bool) {
		if name, ok := strings.CutPrefix(ref, "node:"); ok {
			return name, true
		}
		for id, e := range s.Endpoints {
			if id.String() == ref {
				return e.Node, id.Kind == verdict.Host
			}
		}
		return "", false
	}
	fromNode, fromHost := nodeOf(from)
	toNode, _ := nodeOf(to)
	if from == to || fromHost && fromNode == toNode {
		return false
	}
	found := 0
	for _, c := range p.Changes {
		if c.Verdict != v || !inGroup(p.Groups[c.From], from) || !inGroup(p.Groups[c.To], to) {
			continue
		}
		for _, x := range c.Ports {
			if covers(x.Ports, k) && family(p.Groups[c.From], k) && family(p.Groups[c.To], k) {
				found++
			}
		}
	}
	return found > 0
}

// family reports whether a group is not one of addresses of another family.
func family(g analysis.PreviewGroup, k verdict.Packet) bool {
	return g.Kind != analysis.PreviewAddresses || netip.MustParseAddr(g.Example).Is4() == k.Src.Is4()
}

func covers(p analysis.PortSpan, k verdict.Packet) bool {
	if p.Protocol == analysis.AnyProtocol {
		return !slices.Contains([]byte(p.Except), k.Protocol)
	}
	return p.Protocol == int(k.Protocol) && p.From <= k.DstPort && k.DstPort <= p.To && p.SourceFrom <= k.SrcPort && k.SrcPort <= p.SourceTo
}

func inGroup(g analysis.PreviewGroup, ref string) bool {
	a, err := netip.ParseAddr(ref)
	if err != nil || g.Kind != analysis.PreviewAddresses {
		return slices.Contains(g.Refs, ref)
	}
	if slices.Contains(g.Refs, ref) {
		return true
	}
	for _, r := range g.Refs {
		if n, err := netip.ParsePrefix(r); err == nil && n.Contains(a) {
			return true
		}
		if from, to, ok := strings.Cut(r, "-"); ok && netip.MustParseAddr(from).Compare(a) <= 0 && a.Compare(netip.MustParseAddr(to)) <= 0 {
			return true
		}
	}
	return false
}

// TestPreviewLeavesNothing asks for a preview of a compiler and finds the
// compiler's tables as they were.
func TestPreviewLeavesNothing(t *testing.T) {
	for seed := range uint64(60) {
		g := modeltest.New(seed)
		s := model.NewState()
		s.Apply(g.World()...)
		c := compile.New(compile.Options{})
		for _, o := range s.Objects() {
			c.Apply(model.Put(o))
		}
		before := c.Tables()
		ch := draftOf(g, s)
		first := analysis.PreviewOf(s, c, before, 100, ch)
		again := analysis.PreviewOf(s, c, c.Tables(), 100, ch)
		if a, b := fmt.Sprintf("%+v", first), fmt.Sprintf("%+v", again); a != b {
			t.Fatalf("seed %d: %s: asked twice:\n%s\n%s", seed, ch.Key, a, b)
		}
		if len(first.Changes) > 100 {
			t.Fatalf("%d changes told, 100 asked for", len(first.Changes))
		}
		nothingLeft(t, s, before, c.Tables())
	}
}

func nothingLeft(t *testing.T, s *model.State, before, after *table.Tables) {
	t.Helper()
	if p := analysis.Compare(s, before, after, 1); p.Total != 0 {
		t.Fatalf("the compiler is not as it was: %+v", p)
	}
}

// TestPreviewTellsNoMore: what a preview tells is so for every pair of the
// groups that policy is asked about, and there is such a pair: nothing is told of
// a pod and itself, of a host and itself, or of a host and the pods on it alone.
func TestPreviewTellsNoMore(t *testing.T) {
	told, excluded := 0, 0
	for seed := range uint64(400) {
		g := modeltest.New(seed)
		s := g.State()
		ch := draftOf(g, s)
		after := mutated(s, ch)
		p := analysis.Compare(s, compile.Compile(s, compile.Options{}), compile.Compile(after, compile.Options{}), 1_000_000, ch)
		was, is := evaluate.New(s), evaluate.New(after)
		for _, c := range p.Changes {
			for _, x := range c.Ports {
				asked := 0
				for _, from := range members(p.Groups[c.From]) {
					for _, to := range members(p.Groups[c.To]) {
						con, err := s.Connect(from, to)
						if err != nil {
							continue
						}
						if con.Egress.Endpoint == nil && con.Ingress.Endpoint == nil {
							excluded++
							continue
						}
						asked++
						k := within(x.Ports, con)
						if b, a := normal(was, con, k), normal(is, con, k); a != c.Verdict || b == a {
							t.Fatalf("seed %d: %s: %s -> %s %s is told as new %s and is %v, was %v", seed, ch.Key, from, to, k, c.Verdict, a, b)
						}
					}
				}
				if asked == 0 {
					t.Fatalf("seed %d: %s: a change is told of %v and %v, about whom policy is never asked", seed, ch.Key, p.Groups[c.From].Refs, p.Groups[c.To].Refs)
				}
				told += asked
			}
		}
	}
	if told < 1000 || excluded < 20 {
		t.Errorf("only %d pairs told, %d of them such as policy is not asked about", told, excluded)
	}
	t.Logf("%d pairs told, %d excluded", told, excluded)
}

// members are the references of a group; of addresses, one.
func members(g analysis.PreviewGroup) []string {
	if g.Kind == analysis.PreviewAddresses {
		return []string{g.Example}
	}
	return g.Refs
}

// within is a packet of a connection in a span.
func within(p analysis.PortSpan, c model.Connection) verdict.Packet {
	k := verdict.Packet{Src: c.Egress.Addr, Dst: c.Ingress.Addr, Protocol: uint8(p.Protocol), SrcPort: p.SourceFrom, DstPort: p.From}
	if p.Protocol == analysis.AnyProtocol {
		for k.Protocol = 255; slices.Contains([]byte(p.Except), k.Protocol); k.Protocol-- {
		}
		k.SrcPort, k.DstPort = 0, 0
	}
	return k
}
