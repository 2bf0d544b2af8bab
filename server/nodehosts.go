package server

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/translate"
)

// What tells the host endpoints that are made of nodes from others: the label,
// which policies select by (semantics.md section 5), and the form of the name.
const (
	createdByLabel = "projectcalico.org/created-by"
	createdBy      = "calico-kube-controllers"
	nodeHostSuffix = "-auto-hep"
)

// slowestRetry bounds the wait after writes that did not work, which doubles
// from retryAfter.
const slowestRetry = 30 * time.Second

const kindNode = "Node"

// nodeHosts makes, updates and removes the host endpoints of nodes. Only its
// loop touches it.
type nodeHosts struct {
	write   func(context.Context, hostWrite) (*v3.HostEndpoint, error)
	log     *slog.Logger
	waiting map[string]bool // kinds that have not been listed
	objects map[string]metav1.Object
	said    map[string]string // the last trouble with each host endpoint
	retry   time.Duration
}

// hostWrite is one write: a creation if there is only want, a deletion if there
// is only have.
type hostWrite struct{ have, want *v3.HostEndpoint }

func newNodeHosts(write func(context.Context, hostWrite) (*v3.HostEndpoint, error), log *slog.Logger) *nodeHosts {
	return &nodeHosts{
		write: write, log: log, objects: map[string]metav1.Object{}, said: map[string]string{},
		waiting: map[string]bool{kindNode: true, v3.KindHostEndpoint: true, v3.KindKubeControllersConfiguration: true},
	}
}

// run is the loop: it gathers what changes, and then writes what is due.
func (c *nodeHosts) run(ctx context.Context, events <-chan event) {
	timer := time.NewTimer(settleAfter)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			c.take(e)
			timer.Reset(settleAfter)
		case <-timer.C:
			if again := c.settle(ctx); again > 0 {
				timer.Reset(again)
			}
		}
	}
}

// take notes what the API said.
func (c *nodeHosts) take(e event) {
	if e.listed != "" {
		delete(c.waiting, e.listed)
		maps.DeleteFunc(c.objects, func(_ string, o metav1.Object) bool { return kindName(o) == e.listed })
	}
	for _, n := range e.gone {
		delete(c.objects, n)
	}
	for _, o := range e.put {
		if n, ok := o.(*corev1.Node); ok { // the rest is large
			o = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.Labels}, Status: corev1.NodeStatus{Addresses: n.Status.Addresses}}
		}
		c.objects[name(o)] = o
	}
}

// settle writes what is due, and returns when to try again, 0 if only when
// something changes. What protects a node is removed last, and not at all while
// what takes its place cannot be made.
func (c *nodeHosts) settle(ctx context.Context) time.Duration {
	failed := map[string]bool{}
	for _, w := range c.due() {
		at := cmp.Or(w.want, w.have)
		if w.want == nil && failed[at.Spec.Node] {
			continue
		}
		now, err := c.write(ctx, w)
		switch {
		case err == nil && w.want == nil:
			delete(c.objects, name(at))
		case err == nil:
			c.objects[name(at)] = now
		case overtaken(err) || apierrors.IsAlreadyExists(err):
			// the change that came before is on its way here
		default:
			failed[at.Spec.Node] = true
			c.trouble(at.Name, "a host endpoint of a node cannot be written", err.Error())
			continue
		}
		delete(c.said, at.Name)
	}
	if len(failed) == 0 {
		c.retry = 0
		return 0
	}
	c.retry = min(max(2*c.retry, retryAfter), slowestRetry)
	return c.retry
}

// trouble says what is wrong with a host endpoint, once.
func (c *nodeHosts) trouble(endpoint, message, detail string) {
	if c.said[endpoint] != message+detail {
		c.said[endpoint] = message + detail
		c.log.Warn(message, "hostEndpoint", endpoint, "reason", detail)
	}
}

// due returns what is to be written, deletions last.
func (c *nodeHosts) due() []hostWrite {
	if len(c.waiting) > 0 {
		return nil
	}
	plan := translate.AutoHost{}
	if o, ok := c.objects[v3.KindKubeControllersConfiguration+"//"+v3.DefaultConfiguration].(*v3.KubeControllersConfiguration); ok {
		plan, _ = translate.AutoHostOf(o) // the problems are in the object's status
	}
	if plan.Unreadable {
		return nil
	}
	want, kept := c.wanted(plan)
	var due, gone []hostWrite
	for _, n := range slices.Sorted(maps.Keys(want)) {
		have, _ := c.objects[v3.KindHostEndpoint+"//"+n].(*v3.HostEndpoint)
		switch {
		case have == nil:
			due = append(due, hostWrite{want: want[n]})
		case !madeOfNode(have):
			c.trouble(n, "a host endpoint of a node is not made", "there is one of the same name that somebody else has made")
		case !equality.Semantic.DeepEqual(have.Labels, want[n].Labels) || !equality.Semantic.DeepEqual(have.Spec, want[n].Spec):
			due = append(due, hostWrite{have: have, want: want[n]})
		}
	}
	for _, o := range c.objects {
		if have, ok := o.(*v3.HostEndpoint); ok && madeOfNode(have) && want[have.Name] == nil && !kept[have.Name] {
			gone = append(gone, hostWrite{have: have})
		}
	}
	slices.SortFunc(gone, func(a, b hostWrite) int { return strings.Compare(a.have.Name, b.have.Name) })
	return append(due, gone...)
}

// madeOfNode reports whether a host endpoint is one of those that are made of
// nodes. Somebody who copies the label does not lose theirs.
func madeOfNode(h *v3.HostEndpoint) bool {
	stem, ok := strings.CutSuffix(h.Name, nodeHostSuffix)
	return ok && h.Labels[createdByLabel] == createdBy && (stem == h.Spec.Node || strings.HasPrefix(stem, h.Spec.Node+"-"))
}

// wanted returns the host endpoints that there are to be, by name, and the names
// of those that stay as they are.
func (c *nodeHosts) wanted(plan translate.AutoHost) (want map[string]*v3.HostEndpoint, kept map[string]bool) {
	want, kept = map[string]*v3.HostEndpoint{}, map[string]bool{}
	if !plan.Enabled {
		return want, kept
	}
	var nodes []*corev1.Node
	for _, o := range c.objects {
		if n, ok := o.(*corev1.Node); ok {
			nodes = append(nodes, n)
		}
	}
	slices.SortFunc(nodes, func(a, b *corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	add := func(h *v3.HostEndpoint) {
		if other := want[h.Name]; other != nil {
			c.trouble(h.Name, "a host endpoint of a node is not made", fmt.Sprintf("the nodes %q and %q would both have it", other.Spec.Node, h.Spec.Node))
			return
		}
		want[h.Name] = h
	}
	for _, n := range nodes {
		if plan.Default {
			add(hostOf(n, "", nil, v3.HostEndpointSpec{InterfaceName: "*", ExpectedIPs: addresses(n, nil, corev1.NodeInternalIP)}))
		}
	}
	for _, t := range plan.Templates {
		for _, n := range nodes {
			switch h := fromTemplate(n, t); {
			case t.Unreadable:
				kept[n.Name+"-"+t.Name+nodeHostSuffix] = true
			case h != nil:
				add(h)
			}
		}
	}
	return want, kept
}

// fromTemplate returns nil if a node gets no host endpoint of a template.
func fromTemplate(n *corev1.Node, t translate.AutoHostTemplate) *v3.HostEndpoint {
	if t.Unreadable || !t.Nodes.Matches(selector.Map(n.Labels)) {
		return nil
	}
	spec := v3.HostEndpointSpec{InterfaceName: t.Interface}
	if len(t.Nets) > 0 {
		spec.ExpectedIPs = addresses(n, t.Nets, corev1.NodeInternalIP, corev1.NodeExternalIP)
		if len(spec.ExpectedIPs) == 0 {
			return nil
		}
	}
	return hostOf(n, "-"+t.Name, t.Labels, spec)
}

// hostOf completes a host endpoint of a node.
func hostOf(n *corev1.Node, infix string, labels map[string]string, spec v3.HostEndpointSpec) *v3.HostEndpoint {
	h := &v3.HostEndpoint{ObjectMeta: metav1.ObjectMeta{Name: n.Name + infix + nodeHostSuffix, Labels: map[string]string{}}, Spec: spec}
	maps.Copy(h.Labels, n.Labels)
	maps.Copy(h.Labels, labels)
	h.Labels[createdByLabel] = createdBy
	h.Spec.Node = n.Name
	h.Spec.Profiles = []string{model.DefaultAllowProfile().Name}
	return h
}

// addresses returns the addresses of a node that are of one of the types and in
// one of the nets, sorted; no nets means all.
func addresses(n *corev1.Node, nets []netip.Prefix, types ...corev1.NodeAddressType) []string {
	var found []netip.Addr
	for _, a := range n.Status.Addresses {
		ip, err := netip.ParseAddr(a.Address)
		ip = ip.Unmap()
		within := func(p netip.Prefix) bool { return p.Contains(ip) }
		if err == nil && slices.Contains(types, a.Type) && (len(nets) == 0 || slices.ContainsFunc(nets, within)) {
			found = append(found, ip)
		}
	}
	slices.SortFunc(found, netip.Addr.Compare)
	var out []string
	for _, ip := range slices.Compact(found) {
		out = append(out, ip.String())
	}
	return out
}
