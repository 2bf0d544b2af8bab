package table_test

import (
	"slices"
	"testing"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// TestEnds: a decision of a row is made full by the ends of the set, the same
// one for each time that it is asked, and one that is full already stays.
func TestEnds(t *testing.T) {
	a, b := verdict.PolicyID{Kind: "K", Name: "a"}, verdict.PolicyID{Kind: "K", Name: "b"}
	ends := table.NewEnds([]table.End{{Tier: "one", Applied: []verdict.PolicyID{a}}, {Tier: "two", Applied: []verdict.PolicyID{b, a}}})
	end := func(tier string, applied ...verdict.PolicyID) verdict.Step {
		return verdict.Step{Tier: tier, Rule: verdict.NoRule, Action: verdict.ActionDeny, Applied: applied}
	}
	matched := verdict.Step{Tier: "two", Policy: b, Rule: 1, Action: verdict.ActionLog}
	way := [][]verdict.Step{{end("one")}, {matched, end("two")}}
	d := &table.Decision{Reason: verdict.ByTierDefault, Way: way, Tiered: true}
	got := ends.Full(d)
	if want := table.Decided(verdict.Trace{Reason: verdict.ByTierDefault, Steps: []verdict.Step{end("one", a), matched, end("two", b, a)}}); !got.Equal(want) || got.Tiered {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if way[0][0].Applied != nil || way[1][1].Applied != nil {
		t.Error("the row's own decision was changed")
	}
	if n := testing.AllocsPerRun(10, func() {
		if ends.Full(d) != got {
			t.Error("another decision")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if ends.Full(got) != got || ends.Full(nil) != nil || (*table.Ends)(nil).Full(d) != d {
		t.Error("what is full, and what no ends complete, stays as it is")
	}
	if all := ends.Policies(); !slices.Equal(all, []verdict.PolicyID{a, b, a}) {
		t.Errorf("policies %v", all)
	}
}
