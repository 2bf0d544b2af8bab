package policytest

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/internal/spelling"
	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// reader turns what is written into what is run, and collects problems.
type reader struct {
	doc      *manifest.Document
	problems []model.Problem
}

func (r *reader) add(code, path, message, hint string) {
	line, column := r.doc.Position(path)
	r.problems = append(r.problems, model.Problem{
		Code: code, Object: r.doc.Name(), Path: path, File: r.doc.File, Line: line, Column: column, Message: message, Hint: hint,
	})
}

// word reports a word that is not one of those that are allowed.
func (r *reader) word(path, word string, allowed ...string) {
	hint := "write " + strings.Join(allowed, ", ")
	if near := spelling.Nearest(word, allowed); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	r.add("value-invalid", path, fmt.Sprintf("%q is not known here", word), hint)
}

func (r *reader) check(spec *CheckSpec, path string) Check {
	c := Check{CheckSpec: *spec}
	c.Line, _ = r.doc.Position(path)
	for _, end := range []struct{ field, value string }{{"from", spec.From}, {"to", spec.To}} {
		if end.value == "" {
			r.add("field-missing", path+"."+end.field, end.field+" is missing", "write NAMESPACE/POD, hep:NAME, node:NAME, an address or a domain name")
		}
	}
	var err error
	if c.Port, err = analysis.ParsePort(spec.Port); err != nil {
		r.add("port-invalid", path+".port", err.Error(), "")
	}
	switch spec.Expect {
	case "allow":
		c.Expect = verdict.Allow
	case "deny":
		c.Expect = verdict.Deny
	case "":
		r.add("field-missing", path+".expect", "expect is missing", "write allow or deny")
	default:
		r.word(path+".expect", spec.Expect, "allow", "deny")
	}
	switch v := verdict.Allow; spec.Pending {
	case "":
	case "deny":
		v = verdict.Deny
		fallthrough
	case "allow":
		c.Pending = &v
	default:
		r.word(path+".pending", spec.Pending, "allow", "deny")
	}
	if spec.Direction != "" {
		if d, ok := direction(spec.Direction); ok {
			c.Direction = &d
		} else {
			r.word(path+".direction", spec.Direction, "ingress", "egress")
		}
	}
	if stages := stages(); spec.Stage != "" && !contains(stages, spec.Stage) {
		r.word(path+".stage", spec.Stage, stages...)
	}
	if _, ok := verdict.ParsePolicyID(spec.Policy); spec.Policy != "" && !ok {
		r.policy(path+".policy", spec.Policy)
	}
	if reasons := reasons(); spec.Reason != "" && !contains(reasons, spec.Reason) {
		r.word(path+".reason", spec.Reason, reasons...)
	}
	return c
}

// learned reads what is known of a name. A name that is there twice counts once,
// as it is written last.
func (r *reader) learned(spec *LearnedSpec, path string) *model.Learned {
	l := &model.Learned{}
	var err error
	if l.Name, err = domain.ParseName(spec.Name); err != nil {
		r.add("value-invalid", path+".name", fmt.Sprintf("%q is not a domain name: %v", spec.Name, err), "write a name such as www.example.com, without a wildcard")
	}
	if len(spec.Addresses) == 0 {
		r.add("field-missing", path+".addresses", "the name has no address", "write one or more; leave the entry out for a name that nobody has looked up")
	}
	for i, text := range spec.Addresses {
		a, err := netip.ParseAddr(text)
		if err != nil {
			r.add("value-invalid", fmt.Sprintf("%s.addresses[%d]", path, i), fmt.Sprintf("%q is not an address", text), "write a single IPv4 or IPv6 address")
			continue
		}
		l.Addrs = append(l.Addrs, a.Unmap().WithZone(""))
	}
	slices.SortFunc(l.Addrs, netip.Addr.Compare)
	l.Addrs = slices.Compact(l.Addrs)
	return l
}

func (r *reader) policy(path, text string) {
	r.add("value-invalid", path, fmt.Sprintf("%q is not the name of a policy", text),
		"write Kind/namespace/name, for instance NetworkPolicy/blue/fe or GlobalNetworkPolicy//all")
}

func (r *reader) selects(spec *SelectSpec, path string) Select {
	s := Select{SelectSpec: *spec}
	s.Line, _ = r.doc.Position(path)
	var ok bool
	if s.Policy, ok = verdict.ParsePolicyID(spec.Policy); !ok {
		r.policy(path+".policy", spec.Policy)
	}
	switch {
	case spec.Endpoints == nil && spec.Peers == nil:
		r.add("field-missing", path, "neither endpoints nor peers are there", "write endpoints, or rule and peers; [] for none")
	case spec.Endpoints != nil && (spec.Peers != nil || spec.Rule != ""):
		r.add("value-invalid", path, "endpoints belong to a whole policy, rule and peers to one rule", "write two entries")
	case spec.Peers != nil:
		name, index, _ := strings.Cut(spec.Rule, "/")
		d, okDirection := direction(name)
		n, err := strconv.Atoi(index)
		if !okDirection || err != nil || n < 0 {
			r.add("value-invalid", path+".rule", fmt.Sprintf("%q does not name a rule", spec.Rule), "write for instance ingress/0")
		}
		s.Direction, s.Index = d, n
	}
	return s
}

func direction(text string) (verdict.Direction, bool) {
	for _, d := range verdict.Directions {
		if d.String() == text {
			return d, true
		}
	}
	return verdict.Ingress, false
}

func stages() []string {
	var all []string
	for _, s := range verdict.Stages {
		all = append(all, s.String())
	}
	return all
}

// reasons are the words of commands.md.
func reasons() []string {
	var all []string
	for r := verdict.ByRule; r <= verdict.InvalidPolicy; r++ {
		all = append(all, r.String())
	}
	return all
}

func contains(all []string, s string) bool {
	for _, a := range all {
		if a == s {
			return true
		}
	}
	return false
}
