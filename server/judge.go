package server

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
)

// Refuses reports whether an object with the problem is refused at admission.
// Two sorts are only warned of. What this version does not support: the object
// is right and means something, a later version will do it, and until then it
// denies and says so in its status; whoever keeps manifests in a repository can
// apply them all. And what depends on other objects, which may come later.
func Refuses(p model.Problem) bool {
	if p.Warning {
		return false
	}
	switch p.Code {
	case "not-supported", "http-not-seen", "profile-missing", "address-shared":
		return false
	}
	return true
}

// Problems returns what is wrong with one object of projectcalico.org/v3 by
// itself, as far as translate finds it; staged policies are held to the rules of
// the kind that they would become. Nil means nothing.
func Problems(o metav1.Object) []model.Problem {
	_, all := translate.Object(o)
	return all
}

// told reports whether a problem is among others.
func told(all []model.Problem, p model.Problem) bool {
	for _, other := range all {
		if other.Code == p.Code && other.Path == p.Path {
			return true
		}
	}
	return false
}

// tierOf returns the tier of a policy; false for kinds that are in none.
func tierOf(o metav1.Object) (string, bool) {
	switch o := o.(type) {
	case *v3.NetworkPolicy:
		return v3.TierOrDefault(o.Spec.Tier), true
	case *v3.GlobalNetworkPolicy:
		return v3.TierOrDefault(o.Spec.Tier), true
	case *v3.StagedNetworkPolicy:
		return v3.TierOrDefault(o.Spec.Tier), true
	case *v3.StagedGlobalNetworkPolicy:
		return v3.TierOrDefault(o.Spec.Tier), true
	case *v3.StagedKubernetesNetworkPolicy:
		return v3.DefaultTier, true
	}
	return "", false
}

// kindName is the kind of an object of projectcalico.org/v3.
func kindName(o metav1.Object) string { return reflect.TypeOf(o).Elem().Name() }

// name is Kind/namespace/name, as Problems call an object.
func name(o metav1.Object) string {
	return kindName(o) + "/" + o.GetNamespace() + "/" + o.GetName()
}

// tierMissing and tierGoing are the problems of a policy that has no tier to be
// in (semantics.md section 3).
func tierMissing(object, tier string) model.Problem {
	return model.Problem{Code: "tier-missing", Object: object, Path: "spec.tier",
		Message: fmt.Sprintf("Tier %q does not exist", tier), Hint: "create the tier, or name one that exists"}
}

func tierGoing(object, tier string) model.Problem {
	return model.Problem{Code: "tier-going", Object: object, Path: "spec.tier",
		Message: fmt.Sprintf("Tier %q is being deleted", tier), Hint: "name another tier, or create it anew when it is gone"}
}

// deletion says why a tier cannot be deleted, in the words of semantics.md
// section 14; empty if it can. policies are those that are in it.
func deletion(tier string, policies []string) string {
	if tier == v3.DefaultTier {
		return "Cannot delete default tier"
	}
	for _, b := range v3.BuiltinTiers() {
		if b.Name == tier {
			return fmt.Sprintf("The built-in tier %s cannot be deleted", tier)
		}
	}
	if len(policies) > 0 {
		return fmt.Sprintf("Cannot delete a non-empty tier (delete or move its policies first: %s)", some(policies, 5))
	}
	return ""
}

// some writes the first n of a list and how many more there are.
func some(all []string, n int) string {
	if len(all) <= n {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:n], ", "), len(all)-n)
}

// sentence writes a problem without the object, which whoever reads it has just
// written: "path: message (hint)".
func sentence(p model.Problem) string {
	return model.Problem{Path: p.Path, Message: p.Message, Hint: p.Hint}.String()
}

// maxSentences is how many problems a message has in words; a megabyte of wrong
// ports must not become a megabyte of answer.
const maxSentences = 50

// message puts problems into words: one in the line, several in lines of their
// own.
func message(problems []model.Problem) string {
	if len(problems) == 1 {
		return sentence(problems[0])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d problems:", len(problems))
	for i, p := range problems {
		if i == maxSentences {
			fmt.Fprintf(&b, "\n  and %d more", len(problems)-i)
			break
		}
		b.WriteString("\n  " + sentence(p))
	}
	return b.String()
}

// causes are the problems for programs, such as kubectl, that list them.
func causes(problems []model.Problem) []metav1.StatusCause {
	var all []metav1.StatusCause
	for _, p := range problems[:min(len(problems), maxSentences)] {
		all = append(all, metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: p.Path,
			Message: sentence(model.Problem{Message: p.Message, Hint: p.Hint})})
	}
	return all
}

// meaning is what of an object policy depends on.
type meaning struct {
	Metadata struct{ Labels map[string]string }
	Spec     any
}

// sameMeaning reports whether two forms of an object differ in nothing that is
// judged. An error of decoding means that they do.
func sameMeaning(a, b []byte) bool {
	var x, y meaning
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	delete(x.Metadata.Labels, v3.TierLabel) // ours
	delete(y.Metadata.Labels, v3.TierLabel)
	if len(x.Metadata.Labels) == 0 && len(y.Metadata.Labels) == 0 {
		x.Metadata.Labels, y.Metadata.Labels = nil, nil
	}
	return reflect.DeepEqual(x, y)
}
