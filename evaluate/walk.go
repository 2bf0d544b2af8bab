package evaluate

import (
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// walk is the evaluation of one connection at one endpoint in one direction,
// as semantics.md section 9 writes it.
func (o *Oracle) walk(e *model.Endpoint, stage verdict.Stage, d verdict.Direction, p verdict.Packet, all bool) (verdict.Trace, []Visit) {
	w := &walker{oracle: o, stage: stage, direction: d, packet: p, all: all}
	tiers := o.EffectiveStage(e, stage, d)
	if stage != verdict.Normal && len(tiers) == 0 { // there is no such stage, hence no failsafe in it
		return verdict.Trace{Verdict: verdict.Allow, Reason: verdict.NoPolicyApplies}, nil
	}
	if e.ID.Kind == verdict.Host && stage.HasFailsafe() && o.failsafe(e.Node, d, p) {
		return verdict.Trace{Verdict: verdict.Allow, Reason: verdict.ByFailsafe}, nil
	}
	for _, t := range tiers {
		if w.tier(t) {
			return w.trace, w.visits
		}
	}
	switch {
	case e.ID.Kind == verdict.Pod:
		w.podProfile(e, len(tiers) > 0)
	case stage != verdict.Normal:
		w.decide(verdict.Allow, verdict.ByHostDefault)
	default:
		w.hostProfiles(e)
	}
	return w.trace, w.visits
}

type walker struct {
	oracle    *Oracle
	stage     verdict.Stage
	direction verdict.Direction
	packet    verdict.Packet
	// all asks for visits as well.
	all    bool
	trace  verdict.Trace
	visits []Visit
}

// tier walks one tier and reports whether it decided.
func (w *walker) tier(t model.OrderedTier) bool {
	ids := make([]verdict.PolicyID, len(t.Policies))
	for i, p := range t.Policies {
		ids[i] = p.ID
		step := verdict.Step{Tier: t.Name, Policy: p.ID}
		if p.Invalid[w.direction] {
			step.Rule, step.Action = verdict.NoRule, verdict.ActionDeny
			w.step(step)
			return w.decide(verdict.Deny, verdict.InvalidPolicy)
		}
		switch w.rules(p.Rules[w.direction], step) {
		case verdict.ActionAllow:
			return w.decide(verdict.Allow, verdict.ByRule)
		case verdict.ActionDeny:
			return w.decide(verdict.Deny, verdict.ByRule)
		case verdict.ActionPass:
			return false
		}
	}
	end := verdict.Step{Tier: t.Name, Rule: verdict.NoRule, Action: verdict.ActionDeny, Applied: ids}
	if t.Pass || w.stage.FallsThrough() {
		end.Action = verdict.ActionPass
		w.step(end)
		return false
	}
	w.step(end)
	return w.decide(verdict.Deny, verdict.ByTierDefault)
}

// rules walks a list of rules and returns the action of the first that ends
// it, NoAction if none does. Log is recorded and goes on.
func (w *walker) rules(rules []model.Rule, step verdict.Step) verdict.Action {
	for i := range rules {
		step.Rule, step.Action = rules[i].Index, rules[i].Action
		miss := w.miss(&rules[i])
		if miss != "" {
			if w.all {
				w.visits = append(w.visits, Visit{Step: step, Miss: miss, Annotations: rules[i].Annotations})
			}
			continue
		}
		w.step(step)
		if w.all {
			w.visits[len(w.visits)-1].Annotations = rules[i].Annotations
		}
		if step.Action != verdict.ActionLog {
			return step.Action
		}
	}
	return verdict.NoAction
}

// podProfile is the profile kns.<namespace> that every pod has: it allows all.
func (w *walker) podProfile(e *model.Endpoint, applied bool) {
	if !applied {
		w.decide(verdict.Allow, verdict.NoPolicyApplies)
		return
	}
	w.step(verdict.Step{Profile: "kns." + e.ID.Namespace, Rule: 0, Action: verdict.ActionAllow})
	w.decide(verdict.Allow, verdict.ByProfile)
}

// hostProfiles walks a host endpoint's profiles; without a match it is denied.
// In a profile Pass denies.
func (w *walker) hostProfiles(e *model.Endpoint) {
	for _, name := range e.Profiles {
		p := w.oracle.state.Profiles[name]
		if p == nil {
			continue
		}
		step := verdict.Step{Profile: name}
		if p.Invalid[w.direction] {
			step.Rule, step.Action = verdict.NoRule, verdict.ActionDeny
			w.step(step)
			w.decide(verdict.Deny, verdict.InvalidPolicy)
			return
		}
		switch w.rules(p.Rules[w.direction], step) {
		case verdict.ActionAllow:
			w.decide(verdict.Allow, verdict.ByProfile)
			return
		case verdict.ActionDeny, verdict.ActionPass:
			w.decide(verdict.Deny, verdict.ByProfile)
			return
		}
	}
	w.decide(verdict.Deny, verdict.ByHostDefault)
}

func (w *walker) step(s verdict.Step) {
	w.trace.Steps = append(w.trace.Steps, s)
	if w.all {
		w.visits = append(w.visits, Visit{Step: s, Matched: true})
	}
}

func (w *walker) decide(v verdict.Verdict, r verdict.Reason) bool {
	w.trace.Verdict, w.trace.Reason = v, r
	return true
}

// failsafe reports whether a host endpoint's failsafe ports admit the packet.
func (o *Oracle) failsafe(node string, d verdict.Direction, p verdict.Packet) bool {
	settings := o.state.SettingsOf(node)
	ports := settings.FailsafeIn
	if d == verdict.Egress {
		ports = settings.FailsafeOut
	}
	for _, f := range ports {
		if f.Protocol == p.Protocol && f.Port == p.DstPort && (!f.Net.IsValid() || f.Net.Contains(p.Remote(d))) {
			return true
		}
	}
	return false
}
