package modeltest_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/selector"
)

// worlds is how many random worlds are looked at.
const worlds = 600

// census counts, for each field of the model, in how many values it is set and
// in how many it is left out.
type census struct{ set, unset map[string]int }

// TestEveryFieldIsReached holds that the random worlds say everything that the
// model can say. A field that is added to the model and that the generator does
// not know fails here, and so does one that is always the same. With -v the
// counts are shown.
func TestEveryFieldIsReached(t *testing.T) {
	c := &census{map[string]int{}, map[string]int{}}
	for seed := range uint64(worlds) {
		s := modeltest.New(seed).State()
		for _, o := range s.Objects() {
			c.value(reflect.ValueOf(o).Elem(), reflect.TypeOf(o).Elem().Name())
		}
		c.value(reflect.ValueOf(s.Settings), "Settings")
	}
	for name, n := range map[string]int{"Policy.Rules.Source.Service": 0, "Settings.HTTPAsL4": 0, "StagedPolicy.Policy.Order": 0} {
		if c.set[name] == n {
			t.Errorf("the census does not count %s", name)
		}
	}
	var names []string
	for _, o := range append(model.NewState().Objects(), &model.Policy{}, &model.StagedPolicy{}, &model.Endpoint{}, &model.Node{},
		&model.NetworkSet{}, &model.EndpointSlice{}, &model.Learned{}, &model.Namespace{}, &model.ServiceAccount{}) {
		fieldNames(reflect.TypeOf(o).Elem(), reflect.TypeOf(o).Elem().Name(), &names)
	}
	fieldNames(reflect.TypeFor[model.Settings](), "Settings", &names)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if strings.HasSuffix(name, ".Source.Domains") { // only destinations have them
			continue
		}
		t.Logf("%6d set %6d not  %s", c.set[name], c.unset[name], name)
		if c.set[name] < 10 {
			t.Errorf("%s is set %d times in %d worlds", name, c.set[name], worlds)
		}
		if c.unset[name] == 0 && !always(name) {
			t.Errorf("%s is never left out in %d worlds", name, worlds)
		}
	}
}

// always reports whether a field cannot be left out in a world that makes
// sense.
func always(name string) bool {
	for _, part := range []string{"ID", "Name", "Namespace", "Rules", "Tier", "Kind", "Service", "Node", "Protocol", "Port", "ServiceAccount", "Addrs", "PodNets", "Replaces", "From", "To", "Action", "Labels"} {
		if strings.HasSuffix(name, "."+part) {
			return true
		}
	}
	return strings.Contains(name, ".ID.") || strings.Contains(name, ".Replaces.") || strings.Contains(name, ".Service.")
}

// leaf reports whether a type is counted as a whole.
func leaf(t reflect.Type) bool {
	return t.Kind() != reflect.Struct || slices.Contains([]reflect.Type{
		reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.Prefix](), reflect.TypeFor[selector.Selector](), reflect.TypeFor[domain.Pattern](),
	}, t)
}

// element is what pointers, lists and arrays of a type lead to.
func element(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array {
		t = t.Elem()
	}
	return t
}

func fieldNames(t reflect.Type, path string, all *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name := path + "." + f.Name
		*all = append(*all, name)
		if e := element(f.Type); !leaf(e) {
			fieldNames(e, name, all)
		}
	}
}

// value counts the fields of a struct, and those below them.
func (c *census) value(v reflect.Value, path string) {
	for i := range v.NumField() {
		name, f := path+"."+v.Type().Field(i).Name, v.Field(i)
		if f.IsZero() {
			c.unset[name]++
			continue
		}
		c.set[name]++
		if !leaf(element(f.Type())) {
			c.below(f, name)
		}
	}
}

func (c *census) below(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			c.below(v.Elem(), path)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			c.below(v.Index(i), path)
		}
	default:
		c.value(v, path)
	}
}

// TestEveryShapeIsReached holds the same of what is no field: kinds of policies,
// ties, tiers that are missing, forms of selectors, families.
func TestEveryShapeIsReached(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(worlds) {
		s := modeltest.New(seed).State()
		for _, tier := range s.Ordered() {
			if tier.Missing {
				seen["a missing tier"]++
			}
			for i, p := range tier.Policies {
				seen["kind "+p.ID.Kind]++
				if i > 0 && reflect.DeepEqual(p.Order, tier.Policies[i-1].Order) {
					seen["a tie"]++
					if p.ID.Name == tier.Policies[i-1].ID.Name {
						seen["a tie of one name"]++
					}
				}
				shapes(p, seen)
			}
		}
		for _, p := range s.Staged {
			seen["staged "+p.ID.Kind]++
			if p.Policy == nil {
				seen["a staged deletion"]++
			} else if s.Policies[p.Replaces] != nil {
				seen["a staged edit"]++
			}
		}
		for _, e := range s.Endpoints {
			seen["interface "+e.Interface]++
			if s.Namespaces[e.ID.Namespace] == nil && e.ID.Namespace != "" {
				seen["a namespace that is not known"]++
			}
		}
	}
	for _, want := range []string{
		"a missing tier", "a tie", "a tie of one name", "a staged deletion", "a staged edit", "a namespace that is not known",
		"kind NetworkPolicy", "kind GlobalNetworkPolicy", "kind KubernetesNetworkPolicy", "kind ClusterNetworkPolicy",
		"staged StagedNetworkPolicy", "staged StagedGlobalNetworkPolicy", "staged StagedKubernetesNetworkPolicy",
		"interface ", "interface eth0", "interface *", "negative order", "fractional order",
		"selector ==", "selector !=", "selector  in {", "selector  not in {", "selector has(", "selector !has(", "selector all()",
		"selector  contains ", "selector  starts with ", "selector  ends with ", "selector  || ", "selector  && ", "selector pcns.", "selector pcsa.",
		"an IPv4 net", "an IPv6 net", "everything", "several rules of one",
	} {
		t.Logf("%6d %s", seen[want], want)
		if seen[want] < 10 {
			t.Errorf("%s: %d times in %d worlds", want, seen[want], worlds)
		}
	}
}

func shapes(p *model.Policy, seen map[string]int) {
	if p.Order != nil && *p.Order < 0 {
		seen["negative order"]++
	}
	if p.Order != nil && *p.Order == 0.5 {
		seen["fractional order"]++
	}
	for _, rules := range p.Rules {
		for i, r := range rules {
			if i > 0 && r.Index == rules[i-1].Index {
				seen["several rules of one"]++
			}
			if r.Source.Selector != nil {
				text := r.Source.Selector.String()
				for _, form := range []string{"==", "!=", " in {", " not in {", "has(", "!has(", "all()", " contains ", " starts with ", " ends with ", " || ", " && ", "pcns.", "pcsa."} {
					if strings.Contains(text, form) {
						seen["selector "+form]++
					}
				}
			}
			for _, n := range r.Source.Nets {
				seen[fmt.Sprintf("an IPv%d net", map[bool]int{true: 4, false: 6}[n.Addr().Is4()])]++
				if n.Bits() == 0 {
					seen["everything"]++
				}
			}
		}
	}
}
