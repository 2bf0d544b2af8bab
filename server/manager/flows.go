package manager

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/replay"
	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/staging"
	"github.com/tierwall/tierwall/verdict"
)

// seen is what of the recorded connections a user may see.
type seen struct {
	flow.Access
	// flows has them; it is of use if why is empty.
	flows flow.Reader
	// why is why there are none.
	why string
}

// flowsOf says what of the recorded connections a user may see, and who has them:
// the API server says it to the user, as it says it to `tierwall flows`.
func (m *Manager) flowsOf(r *http.Request) (seen, error) {
	if m.options.Flows == nil {
		return seen{why: "this server keeps no flows: it was started without a directory for them (--flows-dir)"}, nil
	}
	out := seen{flows: m.options.Flows}
	s := sessionIn(r)
	if m.options.FlowsElsewhere != nil {
		other, err := m.options.FlowsElsewhere(r.Context(), s.config.BearerToken)
		if err != nil {
			return seen{why: "another server has the flows, and it is not found: " + err.Error()}, nil
		}
		if other != nil {
			out.flows = other
		}
	}
	o := s.may()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sees != o {
		access, err := m.reviewFlows(r, o)
		if err != nil {
			return out, err
		}
		s.flows, s.sees = access, o
	}
	out.Access = s.flows
	if !out.All && len(out.Namespaces) == 0 {
		out.why = fmt.Sprintf("you may see no flows: it needs get on %s.%s, in a namespace or in all", flow.Resource, report.Group)
	}
	return out, nil
}

func (m *Manager) reviewFlows(r *http.Request, o *own) (flow.Access, error) {
	in := func(namespace string) question {
		return question{verb: "get", group: report.Group, resource: flow.Resource, namespace: namespace}
	}
	all, err := o.may(r.Context(), in(""))
	if err != nil || all {
		return flow.Access{All: all}, err
	}
	var questions []question
	namespaces := slices.Sorted(maps.Keys(m.store.now().state.Namespaces))
	for _, n := range namespaces {
		questions = append(questions, in(n))
	}
	answers, err := o.all(r.Context(), questions)
	if err != nil {
		return flow.Access{}, err
	}
	return flow.Access{Namespaces: slices.DeleteFunc(namespaces, func(n string) bool { return !answers[in(n)] })}, nil
}

// flowQuestion reads what is asked of flows and what the asker may see. It
// reports false if it has answered already.
func (m *Manager) flowQuestion(w http.ResponseWriter, r *http.Request) (a seen, f flow.Filter, ok bool) {
	f, err := flow.ParseFilter(r.URL.Query())
	if err != nil {
		fail(w, problem(http.StatusBadRequest, "invalid", err.Error()))
		return a, f, false
	}
	if a, err = m.flowsOf(r); err != nil {
		m.failWith(w, r, m.problemOf(err))
		return a, f, false
	}
	return a, f, true
}

// ListFlows implements ServerInterface.
func (m *Manager) ListFlows(w http.ResponseWriter, r *http.Request, _ ListFlowsParams) {
	a, f, ok := m.flowQuestion(w, r)
	if !ok {
		return
	}
	out := FlowList{Available: a.why == "", Reason: text(a.why), Records: []Flow{}}
	if a.why == "" {
		page, err := a.flows.Page(r.Context(), a.Access, f)
		if err != nil {
			m.failWith(w, r, m.problemOf(err))
			return
		}
		out.Records, out.Lost = append(out.Records, page.Records...), page.Lost
		if page.Next != 0 {
			out.Next = new(int64(page.Next))
		}
		if !page.Oldest.IsZero() {
			out.Oldest = new(page.Oldest.UTC())
		}
		if !page.Since.IsZero() {
			out.Since = new(page.Since.UTC())
		}
		if !a.All {
			out.Namespaces = &a.Namespaces
		}
	}
	answer(w, out)
}

// CountFlows implements ServerInterface.
func (m *Manager) CountFlows(w http.ResponseWriter, r *http.Request, _ CountFlowsParams) {
	a, f, ok := m.flowQuestion(w, r)
	if !ok {
		return
	}
	out := FlowCounts{Available: a.why == "", Reason: text(a.why), Counts: []FlowCount{}}
	if a.why == "" {
		counts, err := a.flows.Counts(r.Context(), a.Access, f)
		if err != nil {
			m.failWith(w, r, m.problemOf(err))
			return
		}
		out.Counts = append(out.Counts, counts...)
	}
	answer(w, out)
}

// FollowFlows implements ServerInterface. Rights that are taken away, and a
// session that ends, end it too.
func (m *Manager) FollowFlows(w http.ResponseWriter, r *http.Request, _ FollowFlowsParams) {
	a, f, ok := m.flowQuestion(w, r)
	if !ok {
		return
	}
	if a.why != "" {
		fail(w, problem(http.StatusNotFound, "not-found", a.why))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	out := http.NewResponseController(w)
	events := a.flows.Follow(r.Context(), a.Access, f)
	again, comment := time.NewTicker(reviewFor), time.NewTicker(commentEvery)
	defer again.Stop()
	defer comment.Stop()
	_, err := fmt.Fprint(w, ": following\n\n")
	for err == nil {
		if len(events) == 0 { // else there is more to say at once
			err = out.Flush()
		}
		select {
		case <-r.Context().Done():
			return
		case <-comment.C:
			_, err = fmt.Fprint(w, ": \n\n")
		case <-again.C:
			if m.sessionOf(r) == nil {
				_, _ = fmt.Fprint(w, "event: session\ndata: {}\n\n")
				return
			}
			now, err := m.flowsOf(r)
			if err == nil && (now.why != "" || now.All != a.All || !slices.Equal(now.Namespaces, a.Namespaces) || now.flows != a.flows) {
				return // the page connects anew, with the rights of now, to whom has them now
			}
		case e, open := <-events:
			if !open {
				return
			}
			err = e.Write(w)
		}
	}
}

// GetStaged implements ServerInterface.
func (m *Manager) GetStaged(w http.ResponseWriter, r *http.Request, params GetStagedParams) {
	v, err := m.viewOf(r.Context(), sessionIn(r))
	if err != nil {
		m.failWith(w, r, m.problemOf(err))
		return
	}
	out := StagedReport{Staged: replay.Policies(v.state), Denied: []StagedChange{}, Allowed: []StagedChange{}, View: v.info()}
	a, err := m.replayable(r, v)
	if err != nil {
		m.failWith(w, r, m.problemOf(err))
		return
	}
	switch {
	case len(out.Staged) == 0:
	case a.why != "":
		out.Flows = &Unavailable{Reason: a.why}
	default:
		if err := m.replayStaged(r, v, a, params.Since, &out); err != nil {
			m.failWith(w, r, m.problemOf(err))
			return
		}
	}
	answer(w, out)
}

// replayable says which recorded flows can be decided again for a user.
func (m *Manager) replayable(r *http.Request, v *view) (seen, error) {
	a, err := m.flowsOf(r)
	if err == nil && a.why == "" && (!v.whole || !a.All) {
		a.why = "what would change depends on all policies and endpoints, and you may not read them all"
	}
	return a, err
}

// replay decides recorded flows again.
func (a seen) replay(ctx context.Context, f flow.Filter, by *replay.Replayer) (*replay.Report, error) {
	list, err := a.flows.Together(ctx, a.Access, f)
	if err != nil {
		return nil, err
	}
	return by.Run(flow.Each(list))
}

func (m *Manager) replayStaged(r *http.Request, v *view, a seen, since *time.Time, out *StagedReport) error {
	var f flow.Filter
	if since != nil {
		f.Since = *since
	}
	changed, err := a.replay(r.Context(), f, replay.Staged(v.state))
	if err != nil {
		return err
	}
	out.Denied, out.Allowed = changed.Denied, changed.Allowed
	out.Unchanged, out.Unknown = int64(changed.Unchanged), int64(changed.Unknown)
	return nil
}

// DecideStaged implements ServerInterface.
func (m *Manager) DecideStaged(w http.ResponseWriter, r *http.Request, _ DecideStagedParams) {
	var d StagedDecision
	if !read(w, r, &d) {
		return
	}
	id, ok := verdict.ParsePolicyID(d.Policy)
	do := staging.Discard
	switch {
	case !ok:
		fail(w, problem(http.StatusBadRequest, "invalid", fmt.Sprintf("%q is not a policy: write Kind/namespace/name", d.Policy)))
		return
	case d.Action == Enforce:
		do = staging.Enforce
	case d.Action != Discard:
		fail(w, problem(http.StatusBadRequest, "invalid", fmt.Sprintf("%q is not enforce or discard", d.Action)))
		return
	}
	if err := do(r.Context(), sessionIn(r).objects, id); err != nil {
		m.failWith(w, r, m.problemOf(err))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
