package agent

import (
	"log/slog"
	"strings"
	"testing"
)

// TestUnpolicedBridge: where pods share a bridge whose packets the kernel does not
// show, the log says so once and the server hears it; when the setting is
// mended, both hear that.
func TestUnpolicedBridge(t *testing.T) {
	var log strings.Builder
	w := newWatcher(slog.New(slog.NewTextHandler(&log, nil)))
	set := map[string]string{"net/bridge/bridge-nf-call-iptables": "1", "net/bridge/bridge-nf-call-ip6tables": "0"}
	w.sysctl = func(path string) string { return set[path] }
	p := newPlaces("n1")
	p.host.links[1] = link{name: "cni0", bridge: true}
	p.host.links[2] = link{name: "eth0"}
	p.podsOn["eth0"] = 1
	if got := w.bridged(p); got != "" || log.Len() > 0 {
		t.Errorf("a bridge without pods: %s, %s", got, &log)
	}
	p.podsOn["cni0"] = 2
	for range 2 {
		got := w.bridged(p)
		if !strings.Contains(got, "NOT enforced") || !strings.Contains(got, "(cni0)") || !strings.Contains(got, "set net.bridge.bridge-nf-call-ip6tables to 1") {
			t.Errorf("it says %q", got)
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, &log)
	}
	clear(set) // without br_netfilter there is no such file
	if got := w.bridged(p); !strings.Contains(got, "set net.bridge.bridge-nf-call-ip6tables and net.bridge.bridge-nf-call-iptables to 1") {
		t.Errorf("it says %q", got)
	}
	set = map[string]string{"net/bridge/bridge-nf-call-iptables": "1", "net/bridge/bridge-nf-call-ip6tables": "1"}
	if got := w.bridged(p); got != "" || !strings.Contains(log.String(), "policy is enforced") {
		t.Errorf("after it is mended: %s, %s", got, &log)
	}
}
