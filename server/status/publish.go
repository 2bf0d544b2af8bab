package status

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tierwall/tierwall/report"
)

// publishers write what all may read.
type publishers struct{ nodes, policies, domains publisher }

func newPublishers(o Options) *publishers {
	return &publishers{
		nodes:    publisher{options: o, name: report.ConfigMap, key: report.NodesKey, every: publishEvery},
		policies: publisher{options: o, name: report.PoliciesConfigMap, key: report.PoliciesKey, every: publishEvery},
		domains:  publisher{options: o, name: report.DomainsConfigMap, key: report.DomainsKey, every: publishNamesEvery},
	}
}

// publisher writes a text into a ConfigMap, the larger it is the less often.
type publisher struct {
	options Options
	// name is the ConfigMap's, key that of the text in it.
	name, key string
	// next makes the text that is to be written; nil for none.
	next  func() (string, error)
	last  string
	after time.Time
	// every is the least time between two texts.
	every time.Duration
}

const (
	// publishEvery is the least time between two lists of a small cluster, and
	// publishRate what a large one may write, in bytes a second.
	publishEvery = time.Second
	// publishNamesEvery is the same for domain names, of which there is always
	// something new.
	publishNamesEvery = 2 * time.Second
	publishRate       = 50_000
	// maxList is what fits into a ConfigMap, with some room, in bytes.
	maxList = 1_000_000
)

// free reports whether it would write now.
func (p *publisher) free() bool { return !time.Now().Before(p.after) }

// publish writes the text, if it is another one and the time has come.
func (p *publisher) publish(ctx context.Context) {
	if p.next == nil || !p.free() {
		return
	}
	text, err := p.next()
	if err != nil || text == p.last {
		p.next = nil
		return
	}
	p.after = time.Now().Add(max(p.every, time.Duration(len(text))*time.Second/publishRate))
	if err := p.write(ctx, text); err != nil {
		if ctx.Err() == nil {
			p.options.Log.Warn("what nodes told could not be published; trying again", "configmap", p.options.Namespace+"/"+p.name, "error", err)
		}
		return
	}
	p.last, p.next = text, nil
}

func (p *publisher) write(ctx context.Context, text string) error {
	body, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": p.name, "namespace": p.options.Namespace},
		"data": map[string]string{p.key: text},
	})
	if err != nil {
		return err
	}
	force := true
	_, err = p.options.Core.CoreV1().ConfigMaps(p.options.Namespace).Patch(ctx, p.name, types.ApplyPatchType, body,
		metav1.PatchOptions{FieldManager: fieldManager, Force: &force})
	return err
}

// encodeNodes writes the list of nodes, one a line. If it does not fit, nodes in
// step are left out.
func encodeNodes(list []report.Node) string {
	return encode(list, func(n report.Node) bool { return n.State == report.InStep })
}

// encodePolicies writes the list of policies, one a line. If it does not fit,
// those that are in force everywhere are left out.
func encodePolicies(shown map[string]report.Policy) string {
	list := make([]report.Policy, 0, len(shown))
	for _, key := range slices.Sorted(maps.Keys(shown)) {
		list = append(list, shown[key])
	}
	return encode(list, func(p report.Policy) bool { return p.Status == string(metav1.ConditionTrue) })
}

// encode writes a list in JSON, an element a line; if it is too long, without
// the elements that are well, and in the end without the last ones.
func encode[T any](list []T, well func(T) bool) string {
	var lines []string
	size, left := 0, slices.Clone(list)
	for _, all := range []bool{true, false} {
		if !all {
			left = slices.DeleteFunc(left, well)
		}
		lines, size = lines[:0], 0
		for _, e := range left {
			line, err := json.Marshal(e)
			if err != nil { // they are plain structs
				line = fmt.Appendf(nil, "%q", err.Error())
			}
			lines = append(lines, string(line))
			size += len(line) + 2
		}
		if size <= maxList {
			break
		}
	}
	for size > maxList {
		size -= len(lines[len(lines)-1]) + 2
		lines = lines[:len(lines)-1]
	}
	return "[\n" + strings.Join(lines, ",\n") + "\n]\n"
}
