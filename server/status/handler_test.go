package status

import (
	"errors"
	"slices"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/tierwall/tierwall/report"
)

// TestGate: a token is taken that the API server knows to be for this server, of
// somebody who may report, for the node that it is bound to.
func TestGate(t *testing.T) {
	type token struct {
		audiences []string // that it is for
		ignores   bool     // the API server that answers knows of no audiences
		user      string
		node      string
	}
	tokens := map[string]token{
		"good":      {audiences: []string{report.Audience}, user: "agent", node: "a"},
		"for-api":   {audiences: []string{"https://kubernetes.default.svc"}, user: "agent", node: "a"},
		"for-both":  {audiences: []string{"https://kubernetes.default.svc", report.Audience}, user: "agent", node: "a"},
		"unchecked": {ignores: true, user: "agent", node: "a"},
		"anybody's": {audiences: []string{report.Audience}, user: "somebody", node: "a"},
		"unbound":   {audiences: []string{report.Audience}, user: "agent"},
	}
	client := fake.NewClientset()
	client.PrependReactor("create", "tokenreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		r := a.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenReview).DeepCopy()
		k, ok := tokens[r.Spec.Token]
		for _, audience := range r.Spec.Audiences {
			if slices.Contains(k.audiences, audience) {
				r.Status.Audiences = append(r.Status.Audiences, audience)
			}
		}
		r.Status.Authenticated = ok && (k.ignores || len(r.Status.Audiences) > 0 || len(r.Spec.Audiences) == 0)
		r.Status.User.Username = k.user
		if k.node != "" {
			r.Status.User.Extra = map[string]authenticationv1.ExtraValue{nodeClaim: {k.node}}
		}
		return true, r, nil
	})
	client.PrependReactor("create", "subjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		r := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview).DeepCopy()
		r.Status.Allowed = r.Spec.User == "agent" && r.Spec.ResourceAttributes.Resource == report.Resource
		return true, r, nil
	})
	for _, c := range []struct {
		token, node string
		want        error
	}{
		{"good", "a", nil},
		{"good", "b", errForbidden},
		{"for-both", "a", nil},
		{"unbound", "b", nil},
		{"for-api", "a", errNoToken},
		{"unchecked", "a", errNoToken},
		{"anybody's", "a", errForbidden},
		{"unknown", "a", errNoToken},
		{"", "a", errNoToken},
	} {
		g := &gate{client: client, known: map[string]reporter{}}
		for _, again := range []bool{false, true} {
			if err := g.check(t.Context(), c.token, c.node); !errors.Is(err, c.want) {
				t.Errorf("token %q for node %s, remembered %t: %v, want %v", c.token, c.node, again, err, c.want)
			}
		}
	}
}
