package compile_test

import (
	"fmt"
	"testing"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// TestDomains: the tables ask for the names of rules that apply to a pod of the
// node, and of the network sets that such rules find; not for those of policy that
// applies to nobody here, nor of sets that no rule finds.
func TestDomains(t *testing.T) {
	c := compile.New(compile.Options{Node: "n1"})
	local, remote := pod("blue", "a", "10.0.0.1"), pod("blue", "b", "10.0.0.2")
	local.Node, remote.Node = "n1", "n2"
	found := &model.NetworkSet{Name: "found", Labels: map[string]string{"app": "set"}, Domains: patterns("*.set.test", "api.*.set.test")}
	lost := &model.NetworkSet{Name: "lost", Domains: patterns("lost.test")}
	out := outward("app == 'set'", "a.test", "*.wild.test")
	deny := outward("has(nothing)", "unused.test")
	deny.ID.Name = "elsewhere"
	deny.Applies = [2]bool{}
	moved := *found
	moved.Labels = map[string]string{"app": "none"}
	denies := *out
	denies.Rules[verdict.Egress] = append([]model.Rule{}, out.Rules[verdict.Egress]...)
	denies.Rules[verdict.Egress][1].Action = verdict.ActionDeny
	onlyRule := *out
	onlyRule.Rules[verdict.Egress] = out.Rules[verdict.Egress][:1]
	for _, step := range []struct {
		name    string
		changes []model.Change
		want    string
	}{
		{"nothing", nil, "[]"},
		{"policy, and its pods elsewhere", []model.Change{model.Put(remote), model.Put(out), model.Put(deny), model.Put(found), model.Put(lost)}, "[]"},
		{"a pod here", []model.Change{model.Put(local)}, "[*.set.test *.wild.test a.test api.*.set.test]"},
		{"the set is found no more", []model.Change{model.Put(&moved)}, "[*.wild.test a.test]"},
		{"and is again", []model.Change{model.Put(found)}, "[*.set.test *.wild.test a.test api.*.set.test]"},
		{"the rule that finds it denies", []model.Change{model.Put(&denies)}, "[*.wild.test a.test]"},
		{"the rule that finds it is gone", []model.Change{model.Put(&onlyRule)}, "[*.wild.test a.test]"},
		{"the policy is gone", []model.Change{model.Delete(out.Key())}, "[]"},
	} {
		c.Apply(step.changes...)
		if got := fmt.Sprint(c.Domains()); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
}
