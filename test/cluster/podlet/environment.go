package main

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// environment are a container's variables, in the order of its spec.
type environment struct {
	names  []string
	values map[string]string
}

func (e *environment) set(name, value string) {
	if _, ok := e.values[name]; !ok {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

// expand puts values in the place of $(NAME), as the kubelet does in commands
// and in the variables that follow.
func (e *environment) expand(text string) string {
	return expansion.Expand(text, expansion.MappingFuncFor(e.values))
}

func (e *environment) list() []string {
	var all []string
	for _, n := range e.names {
		all = append(all, n+"="+e.values[n])
	}
	return all
}

// environment is that of a container: what its spec gives as text or takes from
// the pod's own fields. Other sources are left out.
func (p *pod) environment(o *corev1.Pod, c corev1.Container, node netip.Addr) *environment {
	e := &environment{values: map[string]string{}}
	e.set("HOSTNAME", o.Name)
	fields := map[string]string{
		"metadata.name": o.Name, "metadata.namespace": o.Namespace, "metadata.uid": string(o.UID), "spec.nodeName": o.Spec.NodeName,
		"spec.serviceAccountName": o.Spec.ServiceAccountName, "status.podIP": p.address.String(), "status.podIPs": p.address.String(),
		"status.hostIP": node.String(), "status.hostIPs": node.String(),
	}
	for _, v := range c.Env {
		switch {
		case v.ValueFrom == nil:
			e.set(v.Name, e.expand(v.Value))
		case v.ValueFrom.FieldRef != nil:
			e.set(v.Name, fields[v.ValueFrom.FieldRef.FieldPath])
		}
	}
	return e
}

// words are a container's command. One without a command of its own is
// agnhost's: that is the only image whose own command matters to the suites.
func words(c corev1.Container, e *environment) []string {
	all := append(append([]string{}, c.Command...), c.Args...)
	if len(c.Command) == 0 {
		all = append([]string{"/agnhost"}, c.Args...)
	}
	if len(c.Command)+len(c.Args) == 0 {
		all = append(all, "pause")
	}
	for i := range all {
		all[i] = e.expand(all[i])
	}
	return all
}
