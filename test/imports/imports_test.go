// Package imports holds the direction of imports (ARCHITECTURE.md): packages
// know those above them in the list, never those below.
package imports

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tierwall/tierwall"

// order is the list of ARCHITECTURE.md. A package may import what stands on an
// earlier line; packages of one line do not know each other, unless one is in
// the folder of the other.
var order = [][]string{
	{"api/v3", "selector", "verdict", "domain", "internal/spelling", "report"},
	{"api/crds", "deploy", "flow", "conntrack"},
	{"model"},
	{"model/modeltest"},
	{"translate"},
	{"evaluate", "table"},
	{"compile"},
	{"analysis"},
	{"replay"},
	{"dataplane", "dataplane/nft", "dataplane/fake"},
	{"agent/dns/answer", "agent/dns/packet"},
	{"agent/dns/stream", "agent/dns/book", "agent/dns/journal", "agent/dns/query", "agent/dns/live"},
	{"agent/dns"},
	{"agent"},
	{"labhost", "ui"},
	{"manifest", "staging"},
	{"policytest"},
	{"server", "server/status"},
	{"cli"},
	{"cmd/tierwall", "cmd/tierwall-labhost"},
	{"test/scale"},
	{"test"},
}

// pure are the packages that compute and nothing else, with what they must not
// import and why.
var pure = []string{"selector", "verdict", "domain", "model", "translate", "evaluate", "table", "compile", "analysis"}

var impure = map[string]string{
	"k8s.io/client-go":               "would tie the meaning of policy to a live API",
	"github.com/vishvananda/":        "the kernel belongs to dataplane and agent",
	"github.com/google/nftables":     "the kernel belongs to dataplane/nft",
	"os":                             "a verdict must not depend on files or the environment",
	"time":                           "a verdict must not depend on the clock",
	"net/http":                       "a verdict must not depend on the network",
	"math/rand":                      "the same input must give the same tables",
	"github.com/tierwall/standalone": "the product does not know the lab",
}

// forbidden are edges with a reason of their own, whatever the order says.
var forbidden = map[[2]string]string{
	{"compile", "evaluate"}:    "the compiler and the oracle must not share code, or their equality proves nothing",
	{"evaluate", "table"}:      "the oracle must not know what policy is compiled to",
	{"table", "model"}:         "tables are a leaf: dataplanes need no policies",
	{"dataplane", "model"}:     "dataplanes enforce tables and know nothing of policies",
	{"dataplane/nft", "model"}: "dataplanes enforce tables and know nothing of policies",
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestDirection(t *testing.T) {
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("only %d packages found", len(packages))
	}
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		from, ok := rank(name)
		if !ok {
			t.Errorf("%s has no place in the order: add it here and to ARCHITECTURE.md", name)
			continue
		}
		for _, i := range p.Imports {
			if why := forbiddenImport(name, i); why != "" {
				t.Errorf("%s imports %s: %s", name, i, why)
			}
			other, own := strings.CutPrefix(i, module+"/")
			if !own {
				continue
			}
			to, ok := rank(other)
			if !ok || to > from || to == from && !within(name, other) && !within(other, name) {
				t.Errorf("%s imports %s, which does not stand above it", name, other)
			}
		}
	}
}

func forbiddenImport(name, imported string) string {
	if why := forbidden[[2]string{name, strings.TrimPrefix(imported, module+"/")}]; why != "" {
		return why
	}
	if !slices.Contains(pure, name) {
		return ""
	}
	for prefix, why := range impure {
		if imported == prefix || strings.HasPrefix(imported, strings.TrimSuffix(prefix, "/")+"/") {
			return why
		}
	}
	return ""
}

// rank returns the line of a package; packages below a listed one share its.
func rank(name string) (int, bool) {
	for i, line := range slices.Backward(order) {
		for _, listed := range line {
			if name == listed {
				return i, true
			}
		}
	}
	for i, line := range slices.Backward(order) {
		for _, listed := range line {
			if within(name, listed) {
				return i, true
			}
		}
	}
	return 0, false
}

func within(name, folder string) bool { return name == folder || strings.HasPrefix(name, folder+"/") }

func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
