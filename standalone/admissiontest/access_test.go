package admissiontest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/server"
)

// cannot is the beginning of what a user is told who may not.
func cannot(user, verb, plural, tier, namespace string) string {
	s := fmt.Sprintf("User %q cannot %s %s.projectcalico.org in tier %q", user, verb, plural, tier)
	if namespace != "" {
		s += fmt.Sprintf(" and namespace %q", namespace)
	}
	return s
}

// allWays tries to write a policy by every verb, as a user who is to be told
// want("create"), want("update") or want("delete"); nil means that all works.
// The policy live is there and is not changed by what is refused.
func (w *world) allWays(t *testing.T, client dynamic.Interface, live *unstructured.Unstructured, want func(verb string) string) {
	t.Helper()
	if want == nil {
		want = func(string) string { return "" }
	}
	clean := func(name string) *unstructured.Unstructured {
		u := parse(t, "{}")
		u.SetKind(live.GetKind())
		u.SetNamespace(live.GetNamespace())
		u.SetName(name)
		u.Object["spec"] = live.DeepCopy().Object["spec"]
		return u
	}
	again := clean("another")
	_, err := in(client, again).Create(w.ctx, again, metav1.CreateOptions{})
	says(t, err, want("create"))
	w.delete(t, again)
	generated := clean("")
	generated.SetGenerateName("gen-")
	made, err := in(client, generated).Create(w.ctx, generated, metav1.CreateOptions{})
	says(t, err, want("create"))
	if err == nil {
		w.delete(t, made)
	}
	says(t, w.apply(client, again), want("create"))
	w.delete(t, again)

	says(t, w.update(client, live, func(u *unstructured.Unstructured) { _ = unstructured.SetNestedField(u.Object, 77.0, "spec", "order") }), want("update"))
	says(t, w.patch(client, live, `{"metadata": {"annotations": {"a": "b"}}}`), want("update"))
	applied := clean(live.GetName())
	_ = unstructured.SetNestedField(applied.Object, 78.0, "spec", "order")
	says(t, w.apply(client, applied), want("update"))
	says(t, in(client, live).Delete(w.ctx, live.GetName(), metav1.DeleteOptions{}), want("delete"))
	if _, err := w.get(live); (err == nil) != (want("delete") != "") {
		t.Errorf("after all that: %v", err)
	}
}

func (w *world) access(t *testing.T) {
	const noTier, editor = " (user cannot get tier)", ` (user needs %s on tier.%s, name "%s.*" or "`
	for _, row := range []struct {
		user, kind, namespace, tier, why string
	}{
		{"developer", "NetworkPolicy", "blue", "default", ""},
		{"developer", "StagedNetworkPolicy", "blue", "default", ""},
		{"developer", "NetworkPolicy", "blue", "security", noTier},
		{"developer", "StagedNetworkPolicy", "blue", "security", noTier},
		{"engineer", "NetworkPolicy", "blue", "security", ""},
		{"engineer", "NetworkPolicy", "red", "security", ""},
		{"engineer", "GlobalNetworkPolicy", "", "security", ""},
		{"engineer", "StagedGlobalNetworkPolicy", "", "security", ""},
		{"engineer", "NetworkPolicy", "blue", "default", noTier},
		{"engineer", "GlobalNetworkPolicy", "", "default", noTier},
		{"engineer", "StagedGlobalNetworkPolicy", "", "default", noTier},
		{"guest", "NetworkPolicy", "blue", "security", editor},
		{"guest", "GlobalNetworkPolicy", "", "security", editor},
	} {
		t.Run(strings.Join([]string{row.user, row.kind, row.namespace, row.tier}, " "), func(t *testing.T) {
			if row.user == "guest" {
				defer w.plainRights(t, "guest", "tierwall:tier-user:security")()
			}
			namespace := ""
			if row.namespace != "" {
				namespace = ", namespace: " + row.namespace
			}
			live := w.must(t, w.admin, "{kind: "+row.kind+", metadata: {name: live"+namespace+"}, spec: {tier: "+row.tier+"}}")
			defer w.delete(t, live)
			plural := strings.TrimSuffix(strings.ToLower(row.kind), "y") + "ies"
			var want func(string) string
			if row.why != "" {
				want = func(verb string) string {
					why := row.why
					if why == editor {
						why = fmt.Sprintf(editor, verb, plural, row.tier)
					}
					return cannot(row.user, verb, plural, row.tier, row.namespace) + why
				}
			}
			w.allWays(t, w.as(row.user), live, want)
		})
	}
	t.Run("the administrator may all", func(t *testing.T) {
		w.allWays(t, w.admin, w.must(t, w.admin, "{kind: GlobalNetworkPolicy, metadata: {name: live}, spec: {tier: security}}"), nil)
	})
	t.Run("in another namespace not even the plain verb", func(t *testing.T) {
		u := parse(t, "{kind: NetworkPolicy, metadata: {name: p, namespace: red}}")
		_, err := in(w.as("developer"), u).Create(w.ctx, u, metav1.CreateOptions{})
		if !apierrors.IsForbidden(err) {
			t.Errorf("%v", err)
		}
	})
	t.Run("staged Kubernetes policies are in the tier default", func(t *testing.T) {
		u := parse(t, "{kind: StagedKubernetesNetworkPolicy, metadata: {name: p, namespace: blue}, spec: {podSelector: {}}}")
		_, err := in(w.as("engineer"), u).Create(w.ctx, u, metav1.CreateOptions{})
		says(t, err, cannot("engineer", "create", "stagedkubernetesnetworkpolicies", "default", "blue")+" (user cannot get tier)")
		w.must(t, w.as("developer"), "{kind: StagedKubernetesNetworkPolicy, metadata: {name: p, namespace: blue}, spec: {podSelector: {}}}")
		w.delete(t, u)
	})
}

// plainRights gives a user every plain verb on policies and the roles; the
// function that it returns takes them back.
func (w *world) plainRights(t *testing.T, user string, roles ...string) func() {
	t.Helper()
	rbac := w.core.RbacV1()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "plain-" + user}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{v3.Group}, Verbs: []string{"*"},
		Resources: []string{"networkpolicies", "globalnetworkpolicies", "stagednetworkpolicies", "stagedglobalnetworkpolicies", "stagedkubernetesnetworkpolicies"},
	}}}
	if _, err := rbac.ClusterRoles().Create(w.ctx, role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	var bound []string
	for _, r := range append(roles, role.Name) {
		b := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: user + ":" + r},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: r},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}}}
		if _, err := rbac.ClusterRoleBindings().Create(w.ctx, b, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		bound = append(bound, b.Name)
	}
	w.eventually(t, "the plain rights hold", func() error {
		_, err := w.as(user).Resource(resource("globalnetworkpolicies")).List(w.ctx, metav1.ListOptions{})
		return err
	})
	return func() {
		for _, b := range bound {
			_ = rbac.ClusterRoleBindings().Delete(w.ctx, b, metav1.DeleteOptions{})
		}
		_ = rbac.ClusterRoles().Delete(w.ctx, role.Name, metav1.DeleteOptions{})
	}
}

// moving takes the rights in both tiers.
func (w *world) moving(t *testing.T) {
	move := func(t *testing.T, user, from, to, want string) {
		t.Helper()
		u := w.must(t, w.admin, "{kind: NetworkPolicy, metadata: {name: moved, namespace: blue}, spec: {tier: "+from+"}}")
		defer w.delete(t, u)
		client := w.as(user)
		says(t, w.patch(client, u, `{"spec": {"tier": "`+to+`"}}`), want)
		if want == "" {
			return
		}
		says(t, w.update(client, u, func(u *unstructured.Unstructured) { _ = unstructured.SetNestedField(u.Object, to, "spec", "tier") }), want)
		applied := parse(t, "{kind: NetworkPolicy, metadata: {name: moved, namespace: blue}, spec: {tier: "+to+"}}")
		says(t, w.apply(client, applied), want)
		if now, err := w.get(u); err != nil || now.GetLabels()[v3.TierLabel] != from {
			t.Errorf("it has moved: %v %v", now, err)
		}
	}
	deny := func(user, tier string) string {
		return cannot(user, "update", "networkpolicies", tier, "blue") + " (user cannot get tier)"
	}
	t.Run("out of the tier of others", func(t *testing.T) { move(t, "developer", "security", "default", deny("developer", "security")) })
	t.Run("into the tier of others", func(t *testing.T) { move(t, "developer", "default", "security", deny("developer", "security")) })
	t.Run("the engineer out", func(t *testing.T) { move(t, "engineer", "security", "default", deny("engineer", "default")) })
	t.Run("the engineer in", func(t *testing.T) { move(t, "engineer", "default", "security", deny("engineer", "default")) })
	t.Run("with rights in both", func(t *testing.T) {
		defer w.plainRights(t, "both", "tierwall:tier-editor:security", "tierwall:tier-editor:default")()
		move(t, "both", "security", "default", "")
		move(t, "both", "default", "security", "")
	})
}

// byName: resourceNames can name a policy instead of a tier.
func (w *world) byName(t *testing.T) {
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "one"}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{v3.Group}, Verbs: []string{"create", "patch"}, Resources: []string{"tier.globalnetworkpolicies"}, ResourceNames: []string{"mine"},
	}}}
	if _, err := w.core.RbacV1().ClusterRoles().Create(w.ctx, role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	defer w.plainRights(t, "owner", "one", "tierwall:tier-user:security")()
	client := w.as("owner")
	mine := w.must(t, client, "{kind: GlobalNetworkPolicy, metadata: {name: mine}, spec: {tier: security}}")
	defer w.delete(t, mine)
	says(t, w.patch(client, mine, `{"spec": {"order": 3}}`), "")
	says(t, in(client, mine).Delete(w.ctx, "mine", metav1.DeleteOptions{}), cannot("owner", "delete", "globalnetworkpolicies", "security", "")+
		` (user needs delete on tier.globalnetworkpolicies, name "security.*" or "mine")`)
	other := parse(t, "{kind: GlobalNetworkPolicy, metadata: {name: other}, spec: {tier: security}}")
	_, err := in(client, other).Create(w.ctx, other, metav1.CreateOptions{})
	says(t, err, cannot("owner", "create", "globalnetworkpolicies", "security", ""))
	says(t, w.patch(client, mine, `{"spec": {"tier": "default"}}`), cannot("owner", "update", "globalnetworkpolicies", "default", "")+" (user cannot get tier)")
}

// collection: what is deleted many at a time is judged one by one.
func (w *world) collection(t *testing.T) {
	secured := w.must(t, w.admin, "{kind: NetworkPolicy, metadata: {name: secured, namespace: blue}, spec: {tier: security}}")
	defer w.delete(t, secured)
	own := w.must(t, w.admin, "{kind: NetworkPolicy, metadata: {name: own, namespace: blue}}")
	client := in(w.as("developer"), own)
	err := client.DeleteCollection(w.ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
	says(t, err, cannot("developer", "delete", "networkpolicies", "security", "blue")+" (user cannot get tier)")
	if _, err := w.get(secured); err != nil {
		t.Errorf("the policy of the tier security: %v", err)
	}
	if _, err := w.get(own); apierrors.IsNotFound(err) {
		own = w.must(t, w.admin, "{kind: NetworkPolicy, metadata: {name: own, namespace: blue}}")
	}
	says(t, client.DeleteCollection(w.ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: v3.TierLabel + "=default"}), "")
	if _, err := w.get(own); !apierrors.IsNotFound(err) {
		t.Errorf("the policy of the tier default: %v", err)
	}
}

// controllers: those of Kubernetes work with the rights that they have.
func (w *world) controllers(t *testing.T) {
	groups := []string{"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"}
	for _, controller := range []string{"generic-garbage-collector", "namespace-controller"} {
		t.Run(controller, func(t *testing.T) {
			client := w.as("system:serviceaccount:kube-system:"+controller, groups...)
			u := w.must(t, w.admin, "{kind: NetworkPolicy, metadata: {name: p, namespace: blue}, spec: {tier: security}}")
			if controller == "generic-garbage-collector" {
				says(t, w.patch(client, u, `{"metadata": {"finalizers": ["foregroundDeletion"]}}`), "")
				says(t, w.patch(client, u, `{"metadata": {"finalizers": null}}`), "")
			}
			says(t, in(client, u).Delete(w.ctx, "p", metav1.DeleteOptions{}), "")
			w.must(t, w.admin, "{kind: NetworkPolicy, metadata: {name: p, namespace: blue}, spec: {tier: security}}")
			if controller == "namespace-controller" {
				says(t, in(client, u).DeleteCollection(w.ctx, metav1.DeleteOptions{}, metav1.ListOptions{}), "")
				w.gone(t, u)
			}
			w.delete(t, u)
		})
	}
}

// whatMay asks Access what the other tests have found by trying.
func (w *world) whatMay(t *testing.T) {
	reviewer, err := server.NewReviewer(w.plane.Config)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(user string, groups ...string) func(tier, kind, verb string) server.Right {
		all, err := server.Access(w.ctx, reviewer, user, append(groups, "system:authenticated"))
		if err != nil {
			t.Fatal(err)
		}
		return func(tier, kind, verb string) server.Right {
			for _, a := range all {
				i := slices.IndexFunc(a.Rights, func(r server.Right) bool { return r.Kind == kind && r.Verb == verb })
				if a.Tier == tier && i >= 0 {
					return a.Rights[i]
				}
			}
			t.Fatalf("nothing about %s %s %s", tier, kind, verb)
			return server.Right{}
		}
	}
	check := func(got server.Right, everywhere bool, namespaces, missing string) {
		t.Helper()
		if got.Everywhere != everywhere || strings.Join(got.Namespaces, " ") != namespaces || got.Missing != missing {
			t.Errorf("%+v", got)
		}
	}
	developer, engineer, admin := ask("developer"), ask("engineer"), ask("admin", "system:masters")
	check(developer("default", "NetworkPolicy", "create"), false, "blue", "create on networkpolicies")
	check(developer("security", "NetworkPolicy", "create"), false, "", "create on networkpolicies")
	check(developer("default", "GlobalNetworkPolicy", "create"), false, "", "create on globalnetworkpolicies")
	check(developer("security", "NetworkPolicy", "list"), false, "blue", "list on networkpolicies")
	check(engineer("security", "NetworkPolicy", "delete"), true, "", "")
	check(engineer("security", "GlobalNetworkPolicy", "patch"), true, "", "")
	check(engineer("default", "GlobalNetworkPolicy", "patch"), false, "", `get on tiers, name "default"`)
	check(engineer("security", "StagedKubernetesNetworkPolicy", "create"), false, "", "policies of this kind are always in the tier default")
	check(admin("kube-admin", "GlobalNetworkPolicy", "create"), true, "", "")
	check(admin("default", "StagedKubernetesNetworkPolicy", "create"), true, "", "")
}
