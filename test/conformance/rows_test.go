package conformance

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tierwall/tierwall/policytest"
	"github.com/tierwall/tierwall/test/refusals"
)

// pending are lines that have no case yet, with the reason. It is to stay short.
var pending = map[string]string{}

// TestRows holds that every line of docs/semantics.md has a case, and that no
// case is of a line that is not there.
func TestRows(t *testing.T) {
	rows := semantics(t)
	cases := map[string]int{}
	for id, where := range covered(t) {
		if !slices.Contains(rows, id) {
			t.Errorf("%s is a case of %q, which is no line of docs/semantics.md", where[0], id)
		}
		cases[id] = len(where)
	}
	for _, id := range rows {
		reason, open := pending[id]
		switch {
		case cases[id] == 0 && !open:
			t.Errorf("docs/semantics.md has a line %q, and no case is of it", id)
		case cases[id] > 0 && open:
			t.Errorf("%q has a case and is no longer pending", id)
		case open:
			t.Logf("pending: %s: %s", id, reason)
		}
	}
	t.Logf("%d lines, %d pending", len(rows), len(pending))
}

// semantics returns the names of the lines.
func semantics(t *testing.T) []string {
	text, err := os.ReadFile("../../docs/semantics.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, m := range regexp.MustCompile(`(?m)^- \[([a-z0-9-]+)\]`).FindAllStringSubmatch(string(text), -1) {
		if slices.Contains(rows, m[1]) {
			t.Errorf("two lines are named %q", m[1])
		}
		rows = append(rows, m[1])
	}
	if bullets := strings.Count(string(text), "\n- "); len(rows) != bullets || bullets < 200 {
		t.Errorf("%d of %d lines have a name", len(rows), bullets)
	}
	return rows
}

// covered returns for each line where its cases are.
func covered(t *testing.T) map[string][]string {
	all := map[string][]string{}
	tests, _, err := policytest.Load([]string{"."}, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		for _, id := range test.Covers {
			all[id] = append(all[id], test.Name)
		}
	}
	refused, err := refusals.Rows()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range refused {
		for _, id := range row.Covers {
			all[id] = append(all[id], "refusals.yaml")
		}
	}
	for _, e := range elsewhere(t) {
		for _, id := range e.Covers {
			all[id] = append(all[id], e.File)
		}
	}
	return all
}

// entry is a Go function that tests lines.
type entry struct {
	Covers []string
	File   string
	Func   string
}

func elsewhere(t *testing.T) (all []entry) {
	text, err := os.ReadFile("../refusals/elsewhere.yaml")
	if err == nil {
		err = yaml.Unmarshal(text, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		source, err := os.ReadFile(filepath.Join("../..", e.File))
		if err != nil {
			t.Error(err)
		}
		if !regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + e.Func + `\(`).Match(source) {
			t.Errorf("%s has no function %s", e.File, e.Func)
		}
	}
	return all
}
