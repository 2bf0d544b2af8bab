package compile

import (
	"reflect"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// Options say what a compiler compiles.
type Options struct {
	// Node limits the tables to the endpoints on one node, as an agent needs
	// it. Empty compiles every endpoint, as an analysis needs it.
	Node string
}

// Compiler keeps a state and the tables for it. It is not safe for concurrent
// use; the tables it hands out are.
type Compiler struct {
	options Options
	state   *model.State
	tables  *table.Tables
	ids     *interner
	// versions numbers the policies and profiles by content, so that an edited
	// one is another one.
	versions    map[model.Key]uint64
	lastVersion uint64
}

// New returns a compiler for an empty state.
func New(o Options) *Compiler {
	c := &Compiler{
		options:  o,
		state:    model.NewState(),
		tables:   table.New(),
		ids:      newInterner(),
		versions: map[model.Key]uint64{},
	}
	return c
}

// Compile returns the tables of a state, once.
func Compile(s *model.State, o Options) *table.Tables {
	c := New(o)
	c.state = s
	c.rebuild()
	return c.tables
}

// State returns the compiler's state, for reading only.
func (c *Compiler) State() *model.State { return c.state }

// Tables returns the present tables. They are not changed by a later Apply.
func (c *Compiler) Tables() *table.Tables { return c.tables }

// Apply makes the changes, in order, and returns what they change in the
// tables. Changes that put what is there already are no changes.
func (c *Compiler) Apply(changes ...model.Change) *table.Delta {
	changed := false
	for _, ch := range changes {
		if old := c.lookup(ch.Key); ch.Object == nil && old == nil ||
			ch.Object != nil && old != nil && reflect.DeepEqual(ch.Object, old) {
			continue
		}
		changed = true
		c.state.Apply(ch)
		if ch.Key.Kind == model.KindPolicy || ch.Key.Kind == model.KindProfile {
			c.lastVersion++
			c.versions[ch.Key] = c.lastVersion
			if ch.Object == nil {
				delete(c.versions, ch.Key)
			}
		}
	}
	if !changed {
		return &table.Delta{}
	}
	before := c.tables
	c.rebuild()
	return table.Diff(before, c.tables)
}

// Settings replaces the settings and returns what that changes.
func (c *Compiler) Settings(s model.Settings) *table.Delta {
	c.state.Settings = s
	before := c.tables
	c.rebuild()
	return table.Diff(before, c.tables)
}

// lookup returns the object at the key, or nil.
func (c *Compiler) lookup(k model.Key) model.Object {
	s := c.state
	switch k.Kind {
	case model.KindNamespace:
		return object(s.Namespaces[k.Name])
	case model.KindServiceAccount:
		return object(s.ServiceAccounts[k])
	case model.KindNode:
		return object(s.Nodes[k.Name])
	case model.KindPod:
		return object(s.Endpoints[verdict.EndpointID{Kind: verdict.Pod, Namespace: k.Namespace, Name: k.Name}])
	case model.KindHostEndpoint:
		return object(s.Endpoints[verdict.EndpointID{Kind: verdict.Host, Name: k.Name}])
	case model.KindNetworkSet, model.KindGlobalNetworkSet:
		return object(s.NetworkSets[k])
	case model.KindTier:
		return object(s.Tiers[k.Name])
	case model.KindPolicy:
		return object(s.Policies[verdict.PolicyID{Kind: k.PolicyKind, Namespace: k.Namespace, Name: k.Name}])
	case model.KindProfile:
		return object(s.Profiles[k.Name])
	case model.KindEndpointSlice:
		return object(s.EndpointSlices[k])
	}
	return nil
}

// object turns a nil pointer into a nil interface.
func object[T any, P interface {
	*T
	model.Object
}](p P) model.Object {
	if p == nil {
		return nil
	}
	return p
}

// rebuild compiles the whole state. Ids of what did not change stay.
func (c *Compiler) rebuild() {
	b := &build{compiler: c, state: c.state, out: table.New(), atoms: newAtoms(c.ids), byLabels: map[string]*applied{}, bySet: map[table.SetID]*program{}}
	b.directory = newDirectory(c.state)
	b.policies = c.state.Ordered()
	for _, e := range c.state.SortedEndpoints() {
		if c.options.Node == "" || e.Node == c.options.Node {
			b.endpoint(e)
		}
	}
	b.classify()
	b.rows()
	c.ids.next()
	c.tables = b.out
}

// build is one compilation.
type build struct {
	compiler  *Compiler
	state     *model.State
	policies  []model.OrderedTier
	out       *table.Tables
	atoms     *atoms
	byLabels  map[string]*applied
	directory *directory
	programs  []*program
	bySet     map[table.SetID]*program
	classes   []class
}
