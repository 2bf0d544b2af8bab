package status

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tierwall/tierwall/report"
)

func (w *boardWorld) learned(node string, full bool, known []report.Learned, forgotten []report.Address, unreported int) {
	w.Helper()
	w.seqs[node]++
	if !w.take(report.Report{Node: node, Instance: "i", Sequence: w.seqs[node], Full: full, Learned: known, Forgotten: forgotten, Unreported: unreported}) {
		w.Errorf("report %d of %s does not follow", w.seqs[node], node)
	}
	w.age()
}

// told returns what is known as "name: address via NODES until, ...; left N",
// and whether that is news.
func (w *boardWorld) told() (string, bool) {
	d := w.domains()
	var all []string
	for _, n := range d.Names {
		for _, a := range n.Addresses {
			text := fmt.Sprintf("%s %s by %s", n.Name, a.Addr, strings.Join(a.Nodes, "+"))
			if a.NodeCount > len(a.Nodes) {
				text += fmt.Sprintf(" of %d", a.NodeCount)
			}
			all = append(all, text+fmt.Sprintf(" from %s till %d", a.Server, a.Expires.Unix()))
		}
	}
	news := w.namesNew
	w.namesNew = false
	return fmt.Sprintf("%s; left %d", strings.Join(all, ", "), d.LeftOut), news
}

func lease(name, addr, server string, seen, expires int64) report.Learned {
	return report.Learned{Address: report.Address{Name: name, Addr: netip.MustParseAddr(addr)}, Server: netip.MustParseAddr(server),
		Seen: time.Unix(seen, 0), Expires: time.Unix(expires, 0)}
}

// TestDomains: what nodes learned is put together, by name and address, with the
// latest answer of any; what they forget goes, and all that a node knew when it is
// silent or gone.
func TestDomains(t *testing.T) {
	w := newWorld(t, "n1", "n2", "n3", "n4")
	step := func(what, want string, news bool) {
		t.Helper()
		if got, told := w.told(); got != want || told != news {
			t.Errorf("%s:\n got %s (%v)\nwant %s (%v)", what, got, told, want, news)
		}
	}
	step("nothing", "; left 0", false)
	a, b := lease("a", "192.0.2.1", "10.0.0.1", 10, 100), lease("b", "192.0.2.2", "10.0.0.1", 10, 100)
	w.learned("n1", true, []report.Learned{a, b}, nil, 0)
	step("one node", "a 192.0.2.1 by n1 from 10.0.0.1 till 100, b 192.0.2.2 by n1 from 10.0.0.1 till 100; left 0", true)
	w.learned("n2", true, []report.Learned{lease("a", "192.0.2.1", "10.0.0.2", 20, 90)}, nil, 0)
	step("the later answer, the longer time", "a 192.0.2.1 by n1+n2 from 10.0.0.2 till 100, b 192.0.2.2 by n1 from 10.0.0.1 till 100; left 0", true)
	w.learned("n1", false, nil, []report.Address{b.Address}, 0)
	step("one is forgotten", "a 192.0.2.1 by n1+n2 from 10.0.0.2 till 100; left 0", true)
	w.learned("n1", false, nil, nil, 0)
	step("nothing new", "a 192.0.2.1 by n1+n2 from 10.0.0.2 till 100; left 0", false)
	w.learned("n3", true, []report.Learned{a}, nil, 7)
	w.learned("n4", true, []report.Learned{a}, nil, 0)
	step("more than fits", "a 192.0.2.1 by n1+n2+n3 of 4 from 10.0.0.2 till 100; left 7", true)
	w.learned("n2", true, nil, nil, 0)
	step("a full report is all", "a 192.0.2.1 by n1+n3+n4 from 10.0.0.1 till 100; left 7", true)
	w.putNodes(map[string]bool{"n1": true, "n2": true, "n3": true})
	step("a node is gone", "a 192.0.2.1 by n1+n3 from 10.0.0.1 till 100; left 7", true)
	w.clock.at = w.clock.at.Add(silentAfter + time.Second)
	w.learned("n1", false, nil, nil, 0)
	step("another is silent", "a 192.0.2.1 by n1 from 10.0.0.1 till 100; left 0", true)
	w.learned("n3", false, nil, nil, 7)
	step("and is back", "a 192.0.2.1 by n1+n3 from 10.0.0.1 till 100; left 7", true)
}

// TestDomainsBound: a node that tells more than the server keeps is counted, and so
// is what does not fit into what is published.
func TestDomainsBound(t *testing.T) {
	w := newWorld(t, "n1")
	var all []report.Learned
	for i := range report.MaxLearned + 3 {
		all = append(all, lease(fmt.Sprintf("name-%05d.a-long-name-as-they-are-in-the-world.example.com", i), fmt.Sprintf("192.0.%d.%d", i/256, i%256), "10.0.0.1", 10, 100))
	}
	w.learned("n1", true, all, nil, 0)
	if n := len(w.nodes["n1"].learned); n != report.MaxLearned || w.nodes["n1"].unreported != 3 {
		t.Errorf("%d are kept and %d counted", n, w.nodes["n1"].unreported)
	}
	d := w.domains()
	text, err := encodeDomains(d)
	if err != nil || len(text) > maxList+100 {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	var back report.Domains
	if err := json.Unmarshal([]byte(text), &back); err != nil {
		t.Fatal(err)
	}
	if n := len(back.Names); n < 1000 || n+back.LeftOut != report.MaxLearned+3 {
		t.Errorf("%d are published and %d left out", n, back.LeftOut)
	}
	if diff := cmp.Diff(d.Names[0], back.Names[0], cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateApproxTime(0)); diff != "" {
		t.Error(diff)
	}
	if text, err = encodeDomains(report.Domains{}); err != nil || json.Unmarshal([]byte(text), &back) != nil {
		t.Errorf("nothing is %s, %v", text, err)
	}
}

// TestWarning: what is wrong with a node's learning is in the list of nodes, as long
// as the node says so.
func TestWarning(t *testing.T) {
	w := newWorld(t, "n1")
	for _, warning := range []string{"too many names", ""} {
		w.seqs["n1"]++
		if !w.take(report.Report{Node: "n1", Instance: "i", Sequence: w.seqs["n1"], Full: w.seqs["n1"] == 1, Warning: warning}) {
			t.Fatal("the report does not follow")
		}
		if got := w.list()[0].Warning; got != warning {
			t.Errorf("the list says %q, the node %q", got, warning)
		}
	}
}
