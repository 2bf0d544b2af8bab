package compile

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

func drawRanges(t *rapid.T, label string) []model.PortRange {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) model.PortRange {
		edge := rapid.SampledFrom([]uint16{0, 1, 2, 3, 5, 8, 65533, 65534, 65535})
		a, b := edge.Draw(t, "a"), edge.Draw(t, "b")
		return model.PortRange{From: min(a, b), To: max(a, b)}
	}), 0, 4).Draw(t, label)
}

func in(list []model.PortRange, port uint16) bool {
	for _, r := range list {
		if r.From <= port && port <= r.To {
			return true
		}
	}
	return false
}

// TestPortSets: the sets of ports are what they are called, sorted and
// disjoint.
func TestPortSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawRanges(t, "a"), drawRanges(t, "b")
		union := merged(a, b)
		less := minus(merged(a, nil), merged(b, nil))
		common := both(merged(a, nil), b)
		for _, list := range [][]model.PortRange{union, less, common, both(nil, b)} {
			for i, r := range list {
				if r.From > r.To || i > 0 && int(list[i-1].To) >= int(r.From) {
					t.Fatalf("%v is not sorted", list)
				}
			}
			if list == nil {
				t.Fatal("nil means all ports")
			}
		}
		for _, p := range []uint16{0, 1, 2, 3, 4, 5, 6, 8, 9, 65532, 65533, 65534, 65535} {
			x, y := in(a, p), in(b, p)
			if in(union, p) != (x || y) || in(less, p) != (x && !y) || in(common, p) != (x && y) || in(both(nil, b), p) != y {
				t.Fatalf("port %d of %v and %v: %v, %v, %v", p, a, b, union, less, common)
			}
		}
	})
}

// TestWayHash: the hash of a sequence does not depend on how it is put
// together, and tells sequences apart.
func TestWayHash(t *testing.T) {
	step := func(i int) wayHash { return hashStep(&verdict.Step{Tier: "t", Rule: i}) }
	var p powers
	of := func(list []int) (h wayHash) {
		for _, i := range list {
			h = h.then(step(i), &p)
		}
		return h
	}
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.IntRange(0, 3), 0, 8).Draw(t, "steps")
		other := rapid.SliceOfN(rapid.IntRange(0, 3), 0, 8).Draw(t, "others")
		cut := rapid.IntRange(0, len(list)).Draw(t, "cut")
		begin, rest := of(list[:cut]), of(list[cut:])
		if begin.then(rest, &p) != of(list) || of(list).less(begin, &p) != rest {
			t.Fatalf("%v cut at %d", list, cut)
		}
		same := len(list) == len(other)
		for i := range list {
			same = same && list[i] == other[i]
		}
		if (of(list) == of(other)) != same {
			t.Fatalf("%v and %v: equal hashes %v", list, other, !same)
		}
	})
	if s := (verdict.Step{Tier: "a"}); hashStep(&s) == hashStep(&verdict.Step{Profile: "a"}) {
		t.Error("a tier and a profile have one hash")
	}
	for _, edit := range []func(*verdict.Step){
		func(s *verdict.Step) { s.Tier = "x" }, func(s *verdict.Step) { s.Policy.Kind = "x" }, func(s *verdict.Step) { s.Policy.Namespace = "x" },
		func(s *verdict.Step) { s.Policy.Name = "x" }, func(s *verdict.Step) { s.Rule = 300 }, func(s *verdict.Step) { s.Action = verdict.ActionLog },
	} {
		s := verdict.Step{Tier: "t", Rule: 1, Action: verdict.ActionAllow}
		before := hashStep(&s)
		if edit(&s); hashStep(&s) == before {
			t.Errorf("%+v has the hash that it had before", s)
		}
	}
}
