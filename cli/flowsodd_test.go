package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/flow"
)

// TestOddNames: whatever agents send as names comes out of each export as it was,
// but for formulas in a spreadsheet, and on a terminal without what that would obey.
func TestOddNames(t *testing.T) {
	for _, odd := range []string{
		"=HYPERLINK(\"http://198.51.100.1\")", "@SUM(1)", "+1", "-1", "\tx", "a,b", "a\"b", "a\nb", "a\r\nb", "\x1b[2J\x1b]0;title\a", "\u202eevil", "\u2028", "</script>", "\x00", "\ufeffx", "名前 🙂", "'x", strings.Repeat("x", 100_000),
	} {
		r := flow.Record{Node: odd, Protocol: odd, Service: odd, Connections: 1, Verdict: 1,
			Source:      flow.End{Kind: flow.Host, Name: odd, Address: netip.MustParseAddr("192.0.2.1")},
			Destination: flow.End{Kind: flow.Pod, Namespace: odd, Name: odd, Address: netip.MustParseAddr("192.0.2.2")}}
		written := map[string]string{}
		for _, format := range []string{"json", "csv", "text"} {
			var b bytes.Buffer
			p := newFlowPrinter(&b, format)
			if err := p.print(&r); err != nil {
				t.Fatal(err)
			}
			if err := p.flush(); err != nil {
				t.Fatal(err)
			}
			written[format] = b.String()
		}
		var back flow.Record
		if err := json.Unmarshal([]byte(written["json"]), &back); err != nil || strings.Count(written["json"], "\n") != 1 {
			t.Errorf("%q: JSON: %v\n%s", odd, err, written["json"])
		}
		if d := cmp.Diff(r, back, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
			t.Errorf("%q: JSON: %s", odd, d)
		}
		rows, err := csv.NewReader(strings.NewReader(written["csv"])).ReadAll()
		if err != nil || len(rows) != 2 {
			t.Errorf("%q: CSV: %v, %d rows", odd, err, len(rows))
			continue
		}
		// Go's reader, as RFC 4180 has it, makes \n of \r\n inside quotes
		node := strings.ReplaceAll(odd, "\r\n", "\n")
		if got := rows[1][slices.Index(flowHead, "node")]; got != node && got != "'"+node {
			t.Errorf("%q: CSV: %q", odd, got)
		}
		for i, cell := range rows[1] {
			if cell != "" && strings.IndexAny(cell, "=+-@\t\r") == 0 {
				t.Errorf("%q: CSV: %s is a formula: %q", odd, flowHead[i], cell)
			}
		}
		if strings.Count(written["text"], "\n") != 1 || strings.ContainsFunc(strings.TrimSuffix(written["text"], "\n"), func(c rune) bool { return !unicode.IsPrint(c) }) {
			t.Errorf("%q: a terminal gets %q", odd, written["text"])
		}
	}
}
