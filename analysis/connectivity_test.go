package analysis_test

import (
	"strings"
	"testing"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/verdict"
)

// TestConnectivityIsOracle holds the matrix against the oracle, about random
// pairs and ports of random worlds: each port is told once, with its verdict.
func TestConnectivityIsOracle(t *testing.T) {
	var asked [2]int
	for seed := range uint64(300) {
		g := modeltest.New(seed)
		s := g.State()
		c := analysis.NewConnectivity(s, compile.Compile(s, compile.Options{}))
		refs, oracle := ends(s), evaluate.New(s)
		for range 300 {
			from, to, con, packet, ok := meeting(g, s, refs)
			if !ok {
				continue
			}
			a, b := groupOf(t, c, from), groupOf(t, c, to)
			all, unasked := c.Between(a, b, nil)
			if unasked != "" || hostToOwn(s, from, to) || from == to {
				continue
			}
			want := normal(oracle, con, packet)
			asked[want]++
			var told []verdict.Verdict
			for _, r := range all {
				if covers(r.Ports, packet) && ofIt(s, r, from) {
					told = append(told, r.Verdict)
				}
			}
			if len(told) != 1 || told[0] != want {
				t.Fatalf("seed %d: %s -> %s %s: told %v, want %v once, in %+v", seed, from, to, packet, told, want, all)
			}
		}
	}
	if min(asked[verdict.Allow], asked[verdict.Deny]) < 5000 {
		t.Errorf("asked about %v: the worlds do not try much", asked)
	}
}

func groupOf(t *testing.T, c *analysis.Connectivity, ref string) int {
	t.Helper()
	i, ok := c.Group(ref)
	if !ok || !inGroup(c.Groups[i].PreviewGroup, ref) {
		t.Fatalf("%s is in group %d, %v", ref, i, ok)
	}
	return i
}

// nodeOf is the node that an end is on, and whether the end is the node itself.
func nodeOf(s *model.State, ref string) (node string, host bool) {
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

// hostToOwn: a host always reaches what is on it, also where the group has others.
func hostToOwn(s *model.State, from, to string) bool {
	node, host := nodeOf(s, from)
	other, _ := nodeOf(s, to)
	return host && node == other
}

// ofIt reports whether what is told is of this end among those of its group.
func ofIt(s *model.State, r analysis.Reach, from string) bool {
	node, _ := nodeOf(s, from)
	return r.Node == "" || (node == r.Node) != r.Elsewhere
}

// TestConnectivityOnPort asks about one port alone.
func TestConnectivityOnPort(t *testing.T) {
	for seed := range uint64(40) {
		s := modeltest.New(seed).State()
		c := analysis.NewConnectivity(s, compile.Compile(s, compile.Options{}))
		for _, text := range []string{"tcp/80", "udp/53", "icmp/8/0"} {
			port, err := analysis.ParsePort(text)
			if err != nil {
				t.Fatal(err)
			}
			for from := range c.Groups {
				for to := range c.Groups {
					all, _ := c.Between(from, to, nil)
					one, why := c.Between(from, to, &port)
					if why == "" && len(one) == 0 || len(one) > len(all) {
						t.Fatalf("seed %d: %s between %d and %d: %+v of %+v", seed, text, from, to, one, all)
					}
				}
			}
		}
	}
}
