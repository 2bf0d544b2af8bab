package evaluate_test

import (
	"testing"

	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// TestStages holds the table of semantics.md section 11: which policies a host
// endpoint has in a stage, what no rule decides there, and what skips the rest.
func TestStages(t *testing.T) {
	in := func(stage verdict.Stage, rules ...model.Rule) *model.Policy {
		p := policy("sec", stage.String(), rules...)
		p.DoNotTrack, p.PreDNAT, p.ApplyOnForward = stage == verdict.Untracked, stage == verdict.PreDNAT, stage != verdict.Normal
		return p
	}
	sec := tier("sec", 1, false)
	other := tcp(deny, 81) // does not match
	for _, row := range []struct {
		name    string
		policy  *model.Policy
		stage   verdict.Stage
		want    string
		accepts bool
	}{
		{"untracked: no policy", in(verdict.Normal, deny), verdict.Untracked, "allow: no policy applies", false},
		{"untracked: deny", in(verdict.Untracked, deny), verdict.Untracked, "deny: rule (Deny by sec/GlobalNetworkPolicy//untracked#0)", false},
		{"untracked: allow skips the rest", in(verdict.Untracked, allow), verdict.Untracked, "allow: rule (Allow by sec/GlobalNetworkPolicy//untracked#0)", true},
		{"untracked: the end of the tier falls through", in(verdict.Untracked, other), verdict.Untracked, "allow: host default (Pass at the end of tier sec)", false},
		{"untracked policy is in no other stage", in(verdict.Untracked, deny), verdict.Normal, "deny: host default", false},
		{"preDNAT: deny", in(verdict.PreDNAT, deny), verdict.PreDNAT, "deny: rule (Deny by sec/GlobalNetworkPolicy//preDNAT#0)", false},
		{"preDNAT: the end of the tier falls through", in(verdict.PreDNAT, other), verdict.PreDNAT, "allow: host default (Pass at the end of tier sec)", false},
		{"preDNAT policy is not of forwarded traffic", in(verdict.PreDNAT, deny), verdict.Forward, "allow: no policy applies", false},
		{"forward: none at all allows", in(verdict.Normal, deny), verdict.Forward, "allow: no policy applies", false},
		{"forward: the end of the tier", in(verdict.Forward, other), verdict.Forward, "deny: tier default (Deny at the end of tier sec)", false},
		{"forward policy is of the host's own traffic too", in(verdict.Forward, allow), verdict.Normal, "allow: rule (Allow by sec/GlobalNetworkPolicy//forward#0)", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := world(sec, row.policy)
			e, p := question(t, s, verdict.Ingress, ipHost, outside)
			got := evaluate.New(s).DecideStage(e, row.stage, verdict.Ingress, p)
			if got.String() != row.want || got.Accepts() != row.accepts {
				t.Errorf("got  %s, accepts %v\nwant %s, accepts %v", &got, got.Accepts(), row.want, row.accepts)
			}
		})
	}
}
