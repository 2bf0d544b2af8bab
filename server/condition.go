package server

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
)

// The reasons of conditions. That of an object with problems is the code of the
// worst one, in camel case: SelectorSyntax, TierMissing, NotSupported.
const (
	reasonAccepted = "Accepted"
	reasonReady    = "Ready"
	reasonDeleting = "Deleting"
)

// conditionType is the condition that the server writes on a kind.
func conditionType(kind string) string {
	if kind == v3.KindTier {
		return v3.ConditionReady
	}
	return v3.ConditionAccepted
}

// condition says what is to stand on an object with these problems. Its time is
// left to whoever writes it.
func condition(kind string, generation int64, problems []model.Problem) metav1.Condition {
	c := metav1.Condition{Type: conditionType(kind), Status: metav1.ConditionTrue, ObservedGeneration: generation, Reason: reasonAccepted}
	if kind == v3.KindTier {
		c.Reason = reasonReady
	}
	if len(problems) == 0 {
		return c
	}
	c.Message = cut(message(problems))
	if w := worst(problems); !w.Warning {
		c.Status, c.Reason = metav1.ConditionFalse, camel(w.Code)
	}
	return c
}

// maxMessage is what the API takes in a condition's message, in bytes.
const maxMessage = 32768

// cut shortens a text that a condition cannot hold.
func cut(text string) string {
	const mark = " …"
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage-len(mark)], "") + mark
}

// goingTier is the condition of a tier that is being deleted, with the policies
// that still are in it.
func goingTier(generation int64, policies []string) metav1.Condition {
	c := metav1.Condition{Type: v3.ConditionReady, Status: metav1.ConditionFalse, ObservedGeneration: generation, Reason: reasonDeleting,
		Message: "the tier is being deleted"}
	if len(policies) > 0 {
		c.Message = fmt.Sprintf("the tier is being deleted and waits for the policies that are in it: %s", some(policies, 5))
	}
	return c
}

// worst is the first problem that would be refused, or else the first that is
// no warning, or else the first.
func worst(problems []model.Problem) model.Problem {
	for _, bad := range []func(model.Problem) bool{Refuses, func(p model.Problem) bool { return !p.Warning }} {
		if i := slices.IndexFunc(problems, bad); i >= 0 {
			return problems[i]
		}
	}
	return problems[0]
}

// camel writes a code such as "selector-syntax" as a reason: SelectorSyntax.
func camel(code string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(code, "-") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

// stands reports whether a condition says what is to be said.
func stands(have *metav1.Condition, want metav1.Condition) bool {
	return have != nil && have.Type == want.Type && have.Status == want.Status && have.Reason == want.Reason &&
		have.Message == want.Message && have.ObservedGeneration == want.ObservedGeneration
}

// statusOf is the status of an object of projectcalico.org/v3.
func statusOf(o metav1.Object) v3.Status {
	switch o := o.(type) {
	case *v3.Tier:
		return o.Status
	case *v3.NetworkPolicy:
		return o.Status
	case *v3.GlobalNetworkPolicy:
		return o.Status
	case *v3.StagedNetworkPolicy:
		return o.Status
	case *v3.StagedGlobalNetworkPolicy:
		return o.Status
	case *v3.StagedKubernetesNetworkPolicy:
		return o.Status
	case *v3.NetworkSet:
		return o.Status
	case *v3.GlobalNetworkSet:
		return o.Status
	case *v3.HostEndpoint:
		return o.Status
	case *v3.Profile:
		return o.Status
	case *v3.FelixConfiguration:
		return o.Status
	case *v3.KubeControllersConfiguration:
		return o.Status
	}
	return v3.Status{}
}

// find returns the condition of a type, or nil.
func find(conditions []metav1.Condition, kind string) *metav1.Condition {
	for i := range conditions {
		if conditions[i].Type == kind {
			c := conditions[i]
			return &c
		}
	}
	return nil
}
