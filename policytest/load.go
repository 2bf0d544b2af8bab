package policytest

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// Test is one PolicyTest, ready to run.
type Test struct {
	Name string
	// Covers are as in Spec.
	Covers []string
	// File, Line say where it stands.
	File string
	Line int
	// State is the world of the test. Problems are what is wrong with the
	// objects in it; tests about invalid policies have them on purpose.
	State    *model.State
	Problems []model.Problem
	// Objects are what State is made of.
	Objects []*manifest.Object
	Checks  []Check
	Selects []Select
}

// Check is a CheckSpec that was understood.
type Check struct {
	CheckSpec
	Line   int
	Port   analysis.Port
	Expect verdict.Verdict
	// Pending is nil if the check does not ask.
	Pending *verdict.Verdict
	// Direction is nil if none was named.
	Direction *verdict.Direction
}

// Select is a SelectSpec that was understood.
type Select struct {
	SelectSpec
	Line   int
	Policy verdict.PolicyID
	// Direction and Index name the rule; they mean nothing without Peers.
	Direction verdict.Direction
	Index     int
}

// Title returns the check's name, or what it checks.
func (c *Check) Title() string {
	if c.Name != "" {
		return c.Name
	}
	return fmt.Sprintf("%s -> %s %s", c.From, c.To, c.Port)
}

// Title returns the name of the expectation, or what it is about.
func (s *Select) Title() string {
	switch {
	case s.Name != "":
		return s.Name
	case s.Peers != nil:
		return fmt.Sprintf("peers of %s %s", s.SelectSpec.Policy, s.Rule)
	}
	return "what " + s.SelectSpec.Policy + " applies to"
}

// Connection resolves the check's ends in a state, and returns the first packet
// of the connection. It is an error if an end does not exist, or if neither is
// in the cluster.
func (c *Check) Connection(s *model.State) (model.Connection, verdict.Packet, error) {
	conn, err := s.Connect(c.From, c.To)
	if err != nil {
		return model.Connection{}, verdict.Packet{}, err
	}
	outside := func(side model.Side) bool {
		return side.Endpoint == nil && side.Fixed.Reason == verdict.NotAnEndpoint
	}
	if outside(conn.Egress) && outside(conn.Ingress) {
		return model.Connection{}, verdict.Packet{}, fmt.Errorf("neither %s nor %s is policed, so nothing is checked", c.From, c.To)
	}
	return conn, c.Port.Packet(conn), nil
}

// Load reads the PolicyTests of files and directories (manifest.Files says how
// they are found); other objects there are skipped. Problems are what is wrong
// with the tests themselves: then the tests that have any are left out. The
// error is about files, those that tests name as resources included.
func Load(paths []string, stdin io.Reader) ([]*Test, []model.Problem, error) {
	docs, problems, err := manifest.Read(paths, stdin)
	if err != nil {
		return nil, nil, err
	}
	var tests []*Test
	for _, d := range docs {
		if d.Kind != manifest.TestKind || !strings.HasPrefix(d.APIVersion, "tierwall.dev/") {
			continue
		}
		t, p, err := load(d)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", d.File, err)
		}
		problems = append(problems, p...)
		if len(p) == 0 {
			tests = append(tests, t)
		}
	}
	model.SortProblems(problems)
	return tests, problems, nil
}

func load(d *manifest.Document) (*Test, []model.Problem, error) {
	r := &reader{doc: d}
	if d.APIVersion != manifest.TestAPIVersion {
		r.add("unknown-kind", "apiVersion", fmt.Sprintf("%s is not a version of %s", d.APIVersion, manifest.TestKind), "write "+manifest.TestAPIVersion)
		return nil, r.problems, nil
	}
	var spec PolicyTest
	r.problems = d.Decode(&spec)
	t := &Test{Name: spec.Name, File: d.File, Covers: spec.Spec.Covers}
	t.Line, _ = d.Position("kind")
	if spec.Name == "" {
		r.add("name-missing", "metadata.name", "the test has no name", "write metadata.name")
	}
	for i := range spec.Spec.Checks {
		t.Checks = append(t.Checks, r.check(&spec.Spec.Checks[i], fmt.Sprintf("spec.checks[%d]", i)))
	}
	for i := range spec.Spec.Selects {
		t.Selects = append(t.Selects, r.selects(&spec.Spec.Selects[i], fmt.Sprintf("spec.selects[%d]", i)))
	}
	var learned []*model.Learned
	for i := range spec.Spec.Learned {
		learned = append(learned, r.learned(&spec.Spec.Learned[i], fmt.Sprintf("spec.learned[%d]", i)))
	}
	if err := t.world(d, spec.Spec.Resources); err != nil {
		return t, r.problems, err
	}
	for _, l := range learned {
		t.State.Apply(model.Put(l))
	}
	return t, r.problems, nil
}

// world reads the objects of the test.
func (t *Test) world(d *manifest.Document, resources []string) error {
	var paths []string
	for _, path := range resources {
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(d.File), path)
		}
		paths = append(paths, path)
	}
	docs, problems, err := manifest.Read(paths, strings.NewReader(""))
	if err != nil {
		return fmt.Errorf("test %s: resources: %w", t.Name, err)
	}
	inPlace, p := d.Items("spec.objects")
	problems = append(problems, p...)
	if err := Unreadable(problems); err != nil {
		return fmt.Errorf("test %s: resources: %w", t.Name, err)
	}
	base, p := manifest.Objects(docs)
	problems = append(problems, p...)
	own, p := manifest.Objects(inPlace)
	problems = append(problems, p...)
	t.Objects = override(base, own)
	t.State, p = manifest.State(t.Objects)
	t.Problems = slices.Concat(problems, p)
	model.SortProblems(t.Problems)
	return nil
}

// override joins two lists of objects. An object of the second takes the place
// of the one with its name in the first: a test may change a part of a common
// cluster.
func override(base, own []*manifest.Object) []*manifest.Object {
	mine := map[string]bool{}
	for _, o := range own {
		mine[o.Name()] = true
	}
	var all []*manifest.Object
	for _, o := range base {
		if !mine[o.Name()] {
			all = append(all, o)
		}
	}
	return append(all, own...)
}

// ErrUnreadable is the error of texts that are not YAML.
var ErrUnreadable = errors.New("not readable as YAML or JSON")

// Unreadable returns an error with the first problem of a text that is not
// YAML, since then nobody knows which objects are missing. It returns nil if
// there is none.
func Unreadable(problems []model.Problem) error {
	for _, p := range problems {
		if p.Code == "yaml-syntax" {
			return fmt.Errorf("%w: %s", ErrUnreadable, p)
		}
	}
	return nil
}
