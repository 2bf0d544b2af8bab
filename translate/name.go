package translate

import (
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// The names of semantics.md section 3, as the definitions of the kinds have
// them.
var (
	label      = `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
	tierName   = regexp.MustCompile(`^` + label + `$`)
	globalName = regexp.MustCompile(`^` + label + `(\.` + label + `)?$`)
	policyName = regexp.MustCompile(`^(` + label + `(\.` + label + `)?|(knp|ossg)\.default\.` + label + `(\.` + label + `)*)$`)
)

// checkName reports a name that the cluster would not take. The object counts
// all the same.
func checkName(o metav1.Object, r *reporter) {
	name := o.GetName()
	if name == "" {
		return // one will be made for it, or the reader says that it is missing
	}
	ok, want := true, ""
	switch o.(type) {
	case *v3.Tier:
		ok, want = tierName.MatchString(name), "name must consist of lower case alphanumeric characters or '-'"
		if len(name) > validation.DNS1123LabelMaxLength {
			ok, want = false, "name is too long: a tier's name has at most 63 characters"
		}
	case *v3.NetworkPolicy, *v3.StagedNetworkPolicy:
		ok, want = policyName.MatchString(name), "name must be a DNS label, or two of them joined by a dot, or begin with 'knp.default.' or 'ossg.default.'"
	case *v3.GlobalNetworkPolicy, *v3.StagedGlobalNetworkPolicy:
		ok, want = globalName.MatchString(name), "name must be a DNS label, or two of them joined by a dot"
	case *v3.NetworkSet, *v3.GlobalNetworkSet, *v3.HostEndpoint, *v3.Profile, *v3.StagedKubernetesNetworkPolicy:
		ok, want = len(validation.IsDNS1123Subdomain(name)) == 0, "name must consist of lower case alphanumeric characters, '-' or '.'"
	}
	if ok && len(name) <= validation.DNS1123SubdomainMaxLength {
		return
	}
	f := problemf("name-invalid", "metadata.name", "%s", want)
	if lower := strings.ToLower(name); lower != name && len(validation.IsDNS1123Subdomain(lower)) == 0 {
		f = f.hint("write %s", lower)
	} else {
		f = f.hint("choose another name, of at most 63 letters, digits and dashes")
	}
	r.add(f)
}
