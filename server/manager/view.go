package manager

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/translate"
	"github.com/tierwall/tierwall/verdict"
)

// view is what one sort of user sees at one moment: what users with the same
// rights share.
type view struct {
	store   *store
	version int64
	rights  rights
	whole   bool
	state   *model.State
	engines *engines

	// What follows is found when it is first asked for.

	// problems are by Kind/namespace/name.
	problems  func() map[string][]model.Problem
	index     func() *analysis.Index
	cards     func() []BoardTier
	uses      func() *analysis.SetUses
	selecting func() *selecting
	pending   func() *model.State
	// connectivity is who may reach whom by the tables.
	connectivity func() *analysis.Connectivity
}

// engines are the compilers of what users with the same rights see; views of
// later states go on with them.
type engines struct {
	// own is of a view that is not whole, pending of what would be if everything
	// staged were enforced.
	own, pending engine
}

// engine is a compiler that is brought to the state that is asked for, by what
// differs from the last one.
type engine struct {
	mu       sync.Mutex
	compiler *compile.Compiler
	state    *model.State
	tables   *table.Tables
}

// at calls f with the compiler at a state, its tables and that state. Nobody
// else uses the compiler meanwhile; f leaves it as it was.
func (e *engine) at(s *model.State, f func(c *compile.Compiler, t *table.Tables, s *model.State)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.compiler == nil {
		e.compiler, e.state = compile.New(compile.Options{}), model.NewState()
	}
	if e.state != s {
		e.compiler.Apply(model.Changes(e.state, s)...)
		e.state, e.tables = s, e.compiler.Tables()
	}
	f(e.compiler, e.tables, s)
}

// newView makes the view that rights give of a snapshot.
func newView(s *store, snap *snapshot, r rights, e *engines) *view {
	v := &view{store: s, version: snap.version, rights: r, whole: r.everything(), state: snap.state, engines: e}
	if !v.whole {
		v.state = restrict(snap.state, r)
	}
	v.problems = sync.OnceValue(func() map[string][]model.Problem { return v.seenProblems(snap.problems) })
	v.index = sync.OnceValue(func() *analysis.Index { return analysis.NewIndex(v.state) })
	v.cards = sync.OnceValue(v.board)
	v.uses = sync.OnceValue(func() *analysis.SetUses { return analysis.NewSetUses(v.state) })
	v.selecting = sync.OnceValue(func() *selecting { return newSelecting(v.state) })
	v.pending = sync.OnceValue(v.state.Pending)
	v.connectivity = sync.OnceValue(v.connects)
	return v
}

// seenProblems are those of the objects that are seen, with the problems that
// only show between them. That a profile is missing cannot be told by who does
// not see all.
func (v *view) seenProblems(of map[string][]model.Problem) map[string][]model.Problem {
	all := maps.Clone(of)
	maps.DeleteFunc(all, func(object string, _ []model.Problem) bool { return !v.rights.sees(object) })
	for _, p := range translate.Check(v.state) {
		if p.Code != "profile-missing" || v.rights["Profile"].all {
			all[p.Object] = append(slices.Clip(all[p.Object]), p)
		}
	}
	return all
}

// sees reports whether an object, Kind/namespace/name, may be read.
func (r rights) sees(object string) bool {
	id := strings.SplitN(object, "/", 3)
	if len(id) != 3 {
		return false
	}
	part := id[1]
	if id[0] == "Namespace" || id[0] == "Tier" {
		part = id[2]
	}
	return r[id[0]].in(part)
}

// restrict leaves out what may not be read. Tiers and configurations stay, since
// what a policy means depends on them: who reads a policy reads its tier's name
// there. Whether a tier is shown for itself is decided where it is shown.
func restrict(s *model.State, r rights) *model.State {
	out := s.Clone()
	maps.DeleteFunc(out.Namespaces, func(name string, _ *model.Namespace) bool { return !r["Namespace"].in(name) })
	maps.DeleteFunc(out.ServiceAccounts, func(k model.Key, _ *model.ServiceAccount) bool { return !r["ServiceAccount"].in(k.Namespace) })
	maps.DeleteFunc(out.Nodes, func(string, *model.Node) bool { return !r["Node"].all })
	maps.DeleteFunc(out.Endpoints, func(id verdict.EndpointID, _ *model.Endpoint) bool {
		if id.Kind == verdict.Host {
			return !r["HostEndpoint"].all
		}
		return !r["Pod"].in(id.Namespace)
	})
	maps.DeleteFunc(out.NetworkSets, func(k model.Key, _ *model.NetworkSet) bool { return !r[k.Kind.String()].in(k.Namespace) })
	maps.DeleteFunc(out.Policies, func(id verdict.PolicyID, _ *model.Policy) bool { return !r[id.Kind].in(id.Namespace) })
	maps.DeleteFunc(out.Staged, func(id verdict.PolicyID, _ *model.StagedPolicy) bool { return !r[id.Kind].in(id.Namespace) })
	maps.DeleteFunc(out.Profiles, func(name string, _ *model.Profile) bool {
		return !r["Profile"].all && name != model.DefaultAllowProfile().Name
	})
	maps.DeleteFunc(out.EndpointSlices, func(k model.Key, _ *model.EndpointSlice) bool { return !r["EndpointSlice"].in(k.Namespace) })
	maps.DeleteFunc(out.Services, func(k model.Key, _ *model.Service) bool { return !r["Service"].in(k.Namespace) })
	if !r.everything() { // who asked for which names is not told to those who do not see all
		clear(out.Learned)
	}
	return out
}

// showsTier reports whether a tier is shown: it may be read, or a policy in it
// may.
func (v *view) showsTier(name string) bool {
	return v.rights["Tier"].in(name) || slices.ContainsFunc(v.index().Tiers, func(t model.OrderedTier) bool { return t.Name == name })
}

// compiled calls f with the compiler of what is seen, its tables and the state
// that they are of. f leaves the compiler as it was.
func (v *view) compiled(f func(c *compile.Compiler, t *table.Tables, s *model.State)) {
	if v.whole {
		v.store.compiled(func(c *compile.Compiler, t *table.Tables, snap *snapshot) { f(c, t, snap.state) })
		return
	}
	v.engines.own.at(v.state, f)
}

// info is what answers say of the view.
func (v *view) info() View {
	at, why := v.store.asOf()
	out := View{AsOf: at.UTC(), Live: why == "", Reason: text(why), Hidden: []Hidden{}}
	for _, k := range manifest.Kinds() {
		r := v.rights[k.Name]
		if r.all {
			continue
		}
		h := Hidden{Kind: k.Name, Missing: "list on " + k.Plural + groupSuffix(k)}
		if len(r.namespaces) > 0 {
			names := slices.Clone(r.namespaces)
			h.VisibleIn = &names
		}
		out.Hidden = append(out.Hidden, h)
	}
	return out
}

func groupSuffix(k manifest.Kind) string {
	if g := resourceOf(k).Group; g != "" {
		return "." + g
	}
	return ""
}

// views keeps the latest views.
type views struct {
	mu    sync.Mutex
	byKey map[string]*view
}

// of returns the view that rights give now.
func (c *views) of(s *store, r rights) *view {
	key := r.key()
	snap := s.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.byKey[key]
	if last != nil && last.version == snap.version {
		return last
	}
	const most = 16
	if last == nil && len(c.byKey) >= most {
		clear(c.byKey)
	}
	e := &engines{}
	if last != nil {
		e = last.engines
	}
	v := newView(s, snap, r, e)
	c.byKey[key] = v
	return v
}

// viewOf returns what a session sees, with its rights reviewed every few
// seconds. While the API server is away, they are what they were.
func (m *Manager) viewOf(ctx context.Context, s *session) (*view, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rights == nil || time.Since(s.reviewed) > reviewFor {
		snap := m.store.now()
		o := newOwn(s.core)
		r, err := reviewRights(ctx, o, slices.Sorted(maps.Keys(snap.state.Namespaces)), slices.Sorted(maps.Keys(snap.state.Tiers)))
		_, away := m.store.asOf()
		switch {
		case err == nil:
			s.rights, s.reviewed, s.own = r, o.at, o
		case s.rights == nil || away == "":
			return nil, err
		}
	}
	return m.views.of(m.store, s.rights), nil
}
