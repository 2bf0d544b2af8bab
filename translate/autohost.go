package translate

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/internal/spelling"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
)

// AutoHost says which host endpoints are to be made of nodes (semantics.md
// sections 5 and 11). The zero value is none.
type AutoHost struct {
	// Unreadable says that it cannot be read whether there are to be any: what
	// there is stays as it is.
	Unreadable bool
	// Enabled says that there are any, Default that one for all interfaces of
	// each node is among them.
	Enabled, Default bool
	Templates        []AutoHostTemplate
}

// AutoHostTemplate is a host endpoint for one interface of some nodes.
type AutoHostTemplate struct {
	// Name is the middle of the host endpoint's name.
	Name string
	// Unreadable says that the rest cannot be read: what was made of the template
	// stays as it is.
	Unreadable bool
	// Interface is the name of the interface; empty means that it is found by
	// its addresses.
	Interface string
	// Nets are where its addresses are; none if Interface says it.
	Nets []netip.Prefix
	// Nodes selects the nodes.
	Nodes *selector.Selector
	// Labels go over the node's.
	Labels map[string]string
}

const autoHostPath = "spec.controllers.node.hostEndpoint"

// AutoHostOf reads a configuration. One that is not called "default" says
// nothing.
func AutoHostOf(c *v3.KubeControllersConfiguration) (AutoHost, []model.Problem) {
	r := &reporter{object: v3.KindKubeControllersConfiguration + "//" + c.Name}
	named := c.Name == v3.DefaultConfiguration
	if !named {
		r.add(problemf("setting-name", "metadata.name", "a KubeControllersConfiguration called %q does nothing", c.Name).hint("call it \"default\"").warning())
	}
	for _, f := range c.Spec.UnreadFields() {
		p := problemf("setting-not-read", "spec."+f.Path, "the setting is not read: it changes nothing here").warning()
		if near := spelling.Nearest(f.Path[strings.LastIndexByte(f.Path, '.')+1:], f.Honoured); near != "" {
			p = p.hint("did you mean %q?", near)
		}
		r.add(p)
	}
	h := c.Spec.HostEndpoint()
	if h == nil {
		return AutoHost{}, r.problems
	}
	out := AutoHost{}
	var ok, defaultOK bool
	out.Enabled, ok = switched(r, autoHostPath+".autoCreate", h.AutoCreate, false)
	out.Default, defaultOK = switched(r, autoHostPath+".createDefaultHostEndpoint", h.CreateDefaultHostEndpoint, true)
	out.Unreadable = !ok || !defaultOK
	names := map[string]bool{}
	for i, t := range h.Templates {
		path := fmt.Sprintf("%s.templates[%d]", autoHostPath, i)
		if names[t.GenerateName] {
			r.add(problemf("template-duplicate", path+".generateName", "there is a template %q already", t.GenerateName).hint("each template needs a generateName of its own; until then this one does nothing"))
			continue
		}
		names[t.GenerateName] = true
		out.Templates = append(out.Templates, autoHostTemplate(t, path, r))
	}
	if !named {
		out = AutoHost{}
	}
	return out, r.problems
}

// switched reads Enabled or Disabled; it reports false for any other word.
func switched(r *reporter, path, word string, otherwise bool) (on, ok bool) {
	switch word {
	case "":
		return otherwise, true
	case v3.SwitchEnabled:
		return true, true
	case v3.SwitchDisabled:
		return false, true
	}
	r.add(problemf("setting-invalid", path, "%q is neither Enabled nor Disabled", word).hint("until then the host endpoints stay as they are"))
	return false, false
}

// interfaceName is a pattern that is one name.
var interfaceName = regexp.MustCompile(`^\^?([a-zA-Z0-9_-]{1,15})\$?$`)

const templateHint = "until then the host endpoints of this template stay as they are"

func autoHostTemplate(in v3.HostEndpointTemplate, path string, r *reporter) AutoHostTemplate {
	before := len(r.problems)
	out := AutoHostTemplate{Name: in.GenerateName, Labels: in.Labels}
	if in.GenerateName == "" {
		r.add(problemf("template-name", path+".generateName", "generateName must be specified").hint(templateHint))
	}
	if len(in.InterfaceCIDRs) == 0 && in.InterfacePattern == "" {
		r.add(problemf("template-interface", path, "at least one of interfaceCIDRs and interfacePattern must be specified").hint(templateHint))
	}
	for i, text := range in.InterfaceCIDRs {
		n, err := parseNet(text)
		if err != nil {
			r.add(problemf("net-syntax", fmt.Sprintf("%s.interfaceCIDRs[%d]", path, i), "%q is neither a CIDR nor an address", text).hint(templateHint))
			continue
		}
		out.Nets = append(out.Nets, n.Masked())
	}
	if p := in.InterfacePattern; p != "" {
		if m := interfaceName.FindStringSubmatch(p); m != nil {
			out.Interface = m[1]
		} else {
			r.add(problemf("not-supported", path+".interfacePattern", "%q is not the name of one interface, and a Node does not say which interfaces it has", p).
				hint("write one name, or interfaceCIDRs; " + templateHint))
		}
	}
	out.Nodes, _ = appliesSelector(in.NodeSelector, path+".nodeSelector", r)
	for _, key := range slices.Sorted(maps.Keys(in.Labels)) {
		errs := append(validation.IsQualifiedName(key), validation.IsValidLabelValue(in.Labels[key])...)
		if len(errs) > 0 {
			r.add(problemf("label-invalid", path+".labels["+key+"]", "%s", errs[0]).hint(templateHint))
		}
	}
	out.Unreadable = len(r.problems) > before
	return out
}
