package manager

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/translate"
	"github.com/tierwall/tierwall/verdict"
)

// ListNodes implements ServerInterface. The list is read with the user's own
// rights, each time: it is one object.
func (m *Manager) ListNodes(w http.ResponseWriter, r *http.Request) {
	s, v := sessionIn(r), m.seen(w, r)
	if v == nil {
		return
	}
	namespace := cmp.Or(m.options.Namespace, report.Namespace)
	out := NodeList{Nodes: []NodeStatus{}, View: v.info()}
	if !out.View.Live {
		out.Reason = text("the list of nodes is read from the Kubernetes API, which is away")
		answer(w, out)
		return
	}
	list, err := s.core.CoreV1().ConfigMaps(namespace).Get(r.Context(), report.ConfigMap, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err):
		out.Reason = text(fmt.Sprintf("which nodes are in step stands in the ConfigMap %s of namespace %s, which you may not read: it needs get on configmaps, name %q", report.ConfigMap, namespace, report.ConfigMap))
	case apierrors.IsNotFound(err):
		out.Reason = text(fmt.Sprintf("no node has reported yet: the server has published no list of nodes in namespace %s (is it running, and do agents know where it is?)", namespace))
	case err != nil:
		m.failWith(w, r, m.problemOf(err))
		return
	default:
		if out.Nodes, err = nodesIn(list.Data[report.NodesKey]); err != nil {
			out.Nodes, out.Reason = []NodeStatus{}, text(fmt.Sprintf("the list of nodes in the ConfigMap %s cannot be read: %v", report.ConfigMap, err))
			break
		}
		out.Available = true
	}
	for _, n := range out.Nodes {
		if n.State == report.InStep {
			out.InStep++
		}
	}
	answer(w, out)
}

func nodesIn(published string) ([]NodeStatus, error) {
	var list []report.Node
	if err := json.Unmarshal([]byte(published), &list); err != nil {
		return nil, err
	}
	all := []NodeStatus{}
	for _, n := range list {
		all = append(all, NodeStatus{Name: n.Name, State: NodeStatusState(n.State), Since: n.Since.UTC(), Error: text(n.Error), Warning: text(n.Warning), Policies: n.Policies, Drift: int64(min(n.Drift, 1<<62))})
	}
	return all, nil
}

// program takes note of what a policy's status says of nodes. Kubernetes'
// NetworkPolicies have no status: of them it notes the generation, to know whether
// what is published is of it.
func (s *store) program(kind manifest.Kind, o any) {
	u, ok := o.(*unstructured.Unstructured)
	if ok && kind.Name == translate.KindKubernetesNetworkPolicy {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.generations[verdict.PolicyID{Kind: kind.Name, Namespace: u.GetNamespace(), Name: u.GetName()}.String()] = u.GetGeneration()
		return
	}
	if !ok || !slices.Contains([]string{v3.KindNetworkPolicy, v3.KindGlobalNetworkPolicy, "ClusterNetworkPolicy"}, kind.Name) {
		return
	}
	now, ok := programmedOf(u)
	name := verdict.PolicyID{Kind: kind.Name, Namespace: u.GetNamespace(), Name: u.GetName()}.String()
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, had := s.programmed[name]; had == ok && before == now {
		return
	}
	if ok {
		s.programmed[name] = now
	} else {
		delete(s.programmed, name)
	}
	s.tell(change{kind: kind.Name})
}

// publish takes over what the server published of policies without a status.
func (s *store) publish(text string) error {
	now := map[string]report.Policy{}
	if text != "" {
		var list []report.Policy
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			return err
		}
		for _, p := range list {
			now[p.Policy] = p
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !maps.Equal(s.published, now) {
		s.published = now
		s.tell(change{kind: translate.KindKubernetesNetworkPolicy})
	}
	return nil
}

func programmedOf(u *unstructured.Unstructured) (Programmed, bool) {
	var s v3.Status
	part, _, _ := unstructured.NestedMap(u.Object, "status")
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(part, &s); err != nil {
		return Programmed{}, false
	}
	for _, c := range s.Conditions {
		if c.Type == v3.ConditionProgrammed {
			return Programmed{Done: c.Status == metav1.ConditionTrue, Message: c.Message, Reason: c.Reason, Current: c.ObservedGeneration == u.GetGeneration()}, true
		}
	}
	return Programmed{}, false
}

// nameOf is how the programmed map calls a policy; other keys are in it under no
// name.
func nameOf(k model.Key) string {
	if k.Kind != model.KindPolicy {
		return ""
	}
	return verdict.PolicyID{Kind: k.PolicyKind, Namespace: k.Namespace, Name: k.Name}.String()
}

// programmed fills in what the policies' status says of nodes, or what is published
// of those that have none.
func (v *view) programmed(cards []PolicyCard) {
	v.store.mu.Lock()
	defer v.store.mu.Unlock()
	for i := range cards {
		if p, ok := v.store.programmed[cards[i].Id]; ok {
			cards[i].Programmed = &p
		} else if p, ok := v.store.published[cards[i].Id]; ok {
			cards[i].Programmed = &Programmed{Done: p.Status == string(metav1.ConditionTrue), Message: p.Message, Reason: p.Reason, Current: p.Generation == v.store.generations[cards[i].Id]}
		}
	}
}
