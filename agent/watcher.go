package agent

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
	"github.com/tierwall/tierwall/verdict"
)

// watcher looks for what is wrong between objects, and between them and the
// node. It says each thing once, as long as it lasts.
type watcher struct {
	log *slog.Logger
	// unchecked says that objects changed since they were last looked through.
	unchecked bool
	// problems are what is wrong between objects now, each in a line.
	problems map[string]bool
	// lost are the pods without an interface, true if that was said.
	lost map[verdict.EndpointID]bool
	// bridges is what was said of bridges that are not policed.
	bridges string
	// sysctl reads a setting of the kernel.
	sysctl func(path string) string
}

func newWatcher(log *slog.Logger) *watcher {
	return &watcher{log: log, problems: map[string]bool{}, lost: map[verdict.EndpointID]bool{}, sysctl: readSysctl}
}

func readSysctl(path string) string {
	b, err := os.ReadFile("/proc/sys/" + path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// check looks through the objects if any has changed, and returns how many
// problems there are between them.
func (w *watcher) check(s *model.State) int {
	if !w.unchecked {
		return len(w.problems)
	}
	w.unchecked = false
	now := map[string]bool{}
	for _, p := range translate.Check(s) {
		line := p.String()
		now[line] = true
		if !w.problems[line] {
			w.log.Warn("problem", "code", p.Code, "object", p.Object, "message", p.Message, "hint", p.Hint)
		}
	}
	w.problems = now
	return len(now)
}

// unplaced speaks of the pods that have had no interface since it was last
// asked, and returns how many there are now. Nothing is enforced for them: as
// long as their addresses lie in the node's pod networks they are closed.
func (w *watcher) unplaced(p *places) int {
	now := map[verdict.EndpointID]bool{}
	for _, id := range p.unplaced() {
		said, before := w.lost[id]
		if before && !said {
			w.log.Warn("no interface of this node leads to a pod: there is neither a route to its address nor a bridge in whose network it lies. "+
				"It gets no traffic if its address is in the node's podCIDRs, and is not policed if not", "pod", id.String())
			said = true
		}
		now[id] = said
	}
	w.lost = now
	return len(now)
}

// bridged looks for bridges that keep packets of pods to each other from the
// hooks at which policy is enforced. It returns what is to be said of this node;
// nothing if all is well. Somebody may set a setting at any time.
func (w *watcher) bridged(p *places) string {
	now, off := map[string]bool{}, map[string]bool{}
	for _, l := range p.host.links {
		if !l.bridge || p.podsOn[l.name] == 0 {
			continue
		}
		for _, path := range []string{"net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"} {
			if w.sysctl(path) == "1" {
				continue
			}
			now[l.name], off[strings.ReplaceAll(path, "/", ".")] = true, true
		}
	}
	what := ""
	if len(now) > 0 {
		what = fmt.Sprintf("policy is NOT enforced between pods of this node: they share a bridge (%s), and the kernel does not show what they send each other. "+
			"Load the module br_netfilter and set %s to 1", strings.Join(slices.Sorted(maps.Keys(now)), ", "), strings.Join(slices.Sorted(maps.Keys(off)), " and "))
	}
	switch what {
	case w.bridges:
	case "":
		w.log.Info("the kernel shows what pods behind a bridge send each other: policy is enforced")
	default:
		w.log.Error(what)
	}
	w.bridges = what
	return what
}
