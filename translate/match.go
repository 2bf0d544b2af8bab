package translate

import (
	"fmt"
	"slices"
	"strings"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// icmp reads the ICMP fields of a rule (semantics.md sections 1 and 3).
func (r *ruleReader) icmp(in *v3.Rule, out *model.Rule) {
	out.ICMP = r.icmpFields(in.ICMP, ".icmp")
	out.NotICMP = r.icmpFields(in.NotICMP, ".notICMP")
	if in.ICMP != nil && (out.Protocol == nil || !verdict.IsICMP(*out.Protocol)) {
		r.fail(problemf("icmp-protocol", ".icmp", "ICMP fields require protocol to be ICMP or ICMPv6").hint("add protocol: ICMP to the rule"))
	}
}

func (r *ruleReader) icmpFields(in *v3.ICMPFields, path string) *model.ICMPMatch {
	if in == nil {
		return nil
	}
	out := &model.ICMPMatch{}
	number := func(n *int, highest int, field string) *uint8 {
		if n == nil {
			return nil
		}
		if *n < 0 || *n > highest {
			r.fail(problemf("icmp-invalid", path+field, "%d is not between 0 and %d", *n, highest))
			return nil
		}
		b := uint8(*n)
		return &b
	}
	out.Type = number(in.Type, 254, ".type")
	out.Code = number(in.Code, 255, ".code")
	if in.Code != nil && in.Type == nil {
		r.fail(problemf("icmp-invalid", path+".code", "ICMP code specified without an ICMP type").hint("add the type"))
	}
	return out
}

// service reads a reference to a service (semantics.md sections 3 and 7).
func (r *ruleReader) service(in *v3.EntityRule, path string, misplaced bool) *model.ServiceRef {
	s := in.Services
	if s == nil {
		return nil
	}
	path += ".services"
	switch {
	case misplaced && r.scope.egress:
		r.fail(problemf("service-misplaced", path, "not allowed in egress rule source").hint("write it in the destination"))
	case misplaced:
		r.fail(problemf("service-misplaced", path, "not allowed in ingress rule destination").hint("write it in the source"))
	}
	ref := &model.ServiceRef{Namespace: s.Namespace, Name: s.Name}
	if s.Name == "" {
		r.fail(problemf("service-name", path+".name", "services must specify a service name"))
	}
	if ref.Namespace == "" {
		ref.Namespace = r.scope.namespace
	}
	if ref.Namespace == "" {
		r.fail(problemf("service-namespace", path+".namespace", "must specify a namespace").hint("a cluster-wide policy has no namespace of its own"))
	}
	var with []string
	for _, f := range []struct {
		name string
		used bool
	}{
		{"Selector/NotSelector", in.Selector != "" || in.NotSelector != ""},
		{"NamespaceSelector", in.NamespaceSelector != ""},
		{"ServiceAccounts", in.ServiceAccounts != nil},
		{"Nets/NotNets", len(in.Nets)+len(in.NotNets) > 0},
	} {
		if f.used {
			with = append(with, f.name)
		}
	}
	if len(with) > 0 {
		r.fail(problemf("service-combined", path, "cannot specify %s and Services on the same rule", strings.Join(with, ", ")).
			hint("write two rules"))
	}
	if r.scope.egress && len(in.Ports)+len(in.NotPorts) > 0 {
		r.fail(problemf("service-combined", path, "ports and notPorts cannot be specified with services").
			hint("the ports are those of the service; remove them"))
	}
	return ref
}

// http checks what a rule asks of HTTP. No dataplane here sees HTTP: the rule
// then never matches, unless the settings say otherwise (semantics.md section
// 0, decision 11). Only Allow rules may ask, so not to match is to stay closed.
func (r *ruleReader) http(in *v3.Rule, out *model.Rule) {
	h := in.HTTP
	if h == nil {
		return
	}
	out.HTTP = true
	if r.scope.egress {
		where := "egress rules"
		if r.scope.namespace != "" {
			where = "egress rule"
		}
		r.fail(problemf("http-invalid", ".http", "not allowed in %s", where).hint("HTTP can be asked for in ingress rules only"))
	}
	if in.Action != v3.Allow {
		r.fail(problemf("http-invalid", ".http", "HTTP match is only valid on Allow rules"))
	}
	if out.Protocol != nil && *out.Protocol != verdict.TCP {
		r.fail(problemf("http-invalid", ".protocol", "rules with HTTP match must have protocol TCP or unset"))
	}
	methods := atMost(r, h.Methods, maxHTTP, ".http.methods", "leave methods out to take in all of them")
	for i, m := range methods {
		if slices.Contains(methods[:i], m) {
			r.fail(problemf("http-invalid", fmt.Sprintf(".http.methods[%d]", i), "method %q is there twice", m))
		}
	}
	atMost(r, h.Headers, maxHTTP, ".http.headers", "write fewer conditions")
	for i, p := range atMost(r, h.Paths, maxHTTP, ".http.paths", "write a prefix in the place of many paths, or several rules") {
		path := p.Exact + p.Prefix
		at := fmt.Sprintf(".http.paths[%d]", i)
		switch {
		case (p.Exact == "") == (p.Prefix == ""):
			r.fail(problemf("http-invalid", at, "HTTP path must have exactly one of exact and prefix"))
		case !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#"):
			r.fail(problemf("http-invalid", at, "%q must start with / and have no ? or #", path))
		}
	}
	r.warn(problemf("http-not-seen", ".http", "HTTP is not seen by the dataplane").hint("the rule matches nothing; remove http to match by address and port"))
}
