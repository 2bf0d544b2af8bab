package compile

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/model"
)

// TestClip holds clip against asking for each port at an edge.
func TestClip(t *testing.T) {
	port := rapid.SampledFrom([]uint16{0, 1, 2, 79, 80, 81, 82, 443, 65534, 65535})
	within := rapid.Custom(func(t *rapid.T) model.PortRange {
		a, b := port.Draw(t, "a"), port.Draw(t, "b")
		return model.PortRange{From: min(a, b), To: max(a, b)}
	})
	list := rapid.SliceOfN(within, 0, 3)
	has := func(all []model.PortRange, p int) bool {
		return slices.ContainsFunc(all, func(r model.PortRange) bool { return int(r.From) <= p && p <= int(r.To) })
	}
	rapid.Check(t, func(t *rapid.T) {
		w, ports, not := within.Draw(t, "within"), list.Draw(t, "ports"), list.Draw(t, "notPorts")
		if len(ports) == 0 {
			ports = nil
		}
		in, out := clip(w, ports, not)
		for p := -1; p <= 65536; p++ {
			if p > 90 && p < 440 || p > 450 && p < 65530 {
				continue
			}
			inside := has([]model.PortRange{w}, p)
			want := inside && (ports == nil || has(ports, p)) && !has(not, p)
			if has(in, p) != want || has(out, p) != (inside && !want) {
				t.Fatalf("port %d: in %v, out %v", p, in, out)
			}
		}
		for _, parts := range [][]model.PortRange{in, out} {
			for i, r := range parts {
				if i > 0 && int(r.From) <= int(parts[i-1].To)+1 {
					t.Fatalf("%v are not the largest parts", parts)
				}
			}
		}
	})
}
