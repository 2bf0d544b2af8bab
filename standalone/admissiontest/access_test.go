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
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/server"
	"github.com/tierwall/tierwall/standalone/controlplane"
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

	says(t, w.update(client, live, func(u *unstructured.Unstructured) { u.SetAnnotations(map[string]string{"a": "1"}) }), want("update"))
	says(t, w.patch(client, live, `{"metadata": {"annotations": {"a": "b"}}}`), want("update"))
	applied := clean(live.GetName())
	applied.SetAnnotations(map[string]string{"a": "2"})
	says(t, w.apply(client, applied), want("update"))
	_, err = in(client, live).Patch(w.ctx, live.GetName(), types.JSONPatchType, []byte(`[{"op": "add", "path": "/metadata/labels/a", "value": "3"}]`), metav1.PatchOptions{})
	says(t, err, want("update"))
	another := again.DeepCopy()
	another.SetResourceVersion("1")
	if _, err = in(client, live).Update(w.ctx, another, metav1.UpdateOptions{}); err == nil {
		t.Error("an update makes a policy")
	}
	if want("delete") != "" {
		says(t, in(client, live).DeleteCollection(w.ctx, metav1.DeleteOptions{}, metav1.ListOptions{FieldSelector: "metadata.name=" + live.GetName()}), want("delete"))
	}
	says(t, in(client, live).Delete(w.ctx, live.GetName(), metav1.DeleteOptions{}), want("delete"))
	if _, err := w.get(live); (err == nil) != (want("delete") != "") {
		t.Errorf("after all that: %v", err)
	}
}

// specIn is the smallest spec of a policy in a tier.
func specIn(kind, tier string) string {
	if kind == "StagedKubernetesNetworkPolicy" {
		return "{podSelector: {}}"
	}
	return "{tier: " + tier + "}"
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
		{"guest", "StagedNetworkPolicy", "blue", "security", editor},
		{"guest", "StagedGlobalNetworkPolicy", "", "security", editor},
		{"guest", "StagedKubernetesNetworkPolicy", "blue", "default", editor},
		{"guest", "NetworkPolicy", "blue", "default", editor},
		{"stranger", "NetworkPolicy", "blue", "security", noTier},
		{"stranger", "GlobalNetworkPolicy", "", "security", noTier},
		{"stranger", "StagedNetworkPolicy", "blue", "security", noTier},
		{"stranger", "StagedGlobalNetworkPolicy", "", "security", noTier},
		{"stranger", "StagedKubernetesNetworkPolicy", "blue", "default", noTier},
	} {
		t.Run(strings.Join([]string{row.user, row.kind, row.namespace, row.tier}, " "), func(t *testing.T) {
			switch row.user {
			case "guest":
				defer w.plainRights(t, "guest", "tierwall:tier-user:"+row.tier)()
			case "stranger":
				defer w.plainRights(t, "stranger")()
			}
			namespace := ""
			if row.namespace != "" {
				namespace = ", namespace: " + row.namespace
			}
			live := w.must(t, w.admin, "{kind: "+row.kind+", metadata: {name: live"+namespace+"}, spec: "+specIn(row.kind, row.tier)+"}")
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
		w.eventually(t, "the plain rights are gone", func() error {
			_, err := w.as(user).Resource(resource("globalnetworkpolicies")).List(w.ctx, metav1.ListOptions{})
			if apierrors.IsForbidden(err) {
				return nil
			}
			return fmt.Errorf("list: %v", err)
		})
	}
}

// moving takes the rights in both tiers, for each kind and by each verb.
func (w *world) moving(t *testing.T) {
	move := func(t *testing.T, user, kind, from, to, want string) {
		t.Helper()
		u := w.must(t, w.admin, "{kind: "+kind+", metadata: {name: moved"+namespaceOf(kind)+"}, spec: {tier: "+from+"}}")
		defer w.delete(t, u)
		client := w.as(user)
		says(t, w.patch(client, u, `{"spec": {"tier": "`+to+`"}}`), want)
		if want == "" {
			return
		}
		_, err := in(client, u).Patch(w.ctx, "moved", types.JSONPatchType, []byte(`[{"op": "replace", "path": "/spec/tier", "value": "`+to+`"}]`), metav1.PatchOptions{})
		says(t, err, want)
		says(t, w.update(client, u, func(u *unstructured.Unstructured) { _ = unstructured.SetNestedField(u.Object, to, "spec", "tier") }), want)
		applied := parse(t, "{kind: "+kind+", metadata: {name: moved"+namespaceOf(kind)+"}, spec: {tier: "+to+"}}")
		says(t, w.apply(client, applied), want)
		if now, err := w.get(u); err != nil || now.GetLabels()[v3.TierLabel] != from {
			t.Errorf("it has moved: %v %v", now, err)
		}
	}
	deny := func(user, tier string) string {
		return cannot(user, "update", "networkpolicies", tier, "blue") + " (user cannot get tier)"
	}
	const np = "NetworkPolicy"
	t.Run("out of the tier of others", func(t *testing.T) { move(t, "developer", np, "security", "default", deny("developer", "security")) })
	t.Run("into the tier of others", func(t *testing.T) { move(t, "developer", np, "default", "security", deny("developer", "security")) })
	t.Run("the engineer out", func(t *testing.T) { move(t, "engineer", np, "security", "default", deny("engineer", "default")) })
	t.Run("the engineer in", func(t *testing.T) { move(t, "engineer", np, "default", "security", deny("engineer", "default")) })
	t.Run("with rights in one and sight of the other", func(t *testing.T) {
		defer w.plainRights(t, "half", "tierwall:tier-editor:default", "tierwall:tier-user:security")()
		for _, kind := range []string{np, "GlobalNetworkPolicy", "StagedNetworkPolicy", "StagedGlobalNetworkPolicy"} {
			plural, namespace := strings.TrimSuffix(strings.ToLower(kind), "y")+"ies", ""
			if namespaceOf(kind) != "" {
				namespace = "blue"
			}
			want := cannot("half", "update", plural, "security", namespace) + ` (user needs update on tier.` + plural + `, name "security.*" or "moved")`
			move(t, "half", kind, "security", "default", want)
			move(t, "half", kind, "default", "security", want)
		}
	})
	t.Run("with rights in both", func(t *testing.T) {
		defer w.plainRights(t, "both", "tierwall:tier-editor:security", "tierwall:tier-editor:default")()
		move(t, "both", np, "security", "default", "")
		move(t, "both", np, "default", "security", "")
	})
}

// developerInSecurity: a developer cannot do anything in the tier of others, by
// any kind and any verb, nor to the tier itself.
func (w *world) developerInSecurity(t *testing.T) {
	client := w.as("developer")
	refused := func(what string, err error) {
		t.Helper()
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "cannot") {
			t.Errorf("%s: %v", what, err)
		}
	}
	tier := parse(t, "{kind: Tier, metadata: {name: security}}")
	refused("patch the tier", w.patch(client, tier, `{"spec": {"defaultAction": "Pass"}}`))
	refused("apply the tier", w.apply(client, parse(t, "{kind: Tier, metadata: {name: security}, spec: {order: 9}}")))
	refused("delete the tier", in(client, tier).Delete(w.ctx, "security", metav1.DeleteOptions{}))
	for _, kind := range []string{"NetworkPolicy", "GlobalNetworkPolicy", "StagedNetworkPolicy", "StagedGlobalNetworkPolicy"} {
		live := w.must(t, w.admin, "{kind: "+kind+", metadata: {name: live"+namespaceOf(kind)+"}, spec: {tier: security}}")
		defer w.delete(t, live)
		fresh := parse(t, "{kind: "+kind+", metadata: {name: fresh"+namespaceOf(kind)+"}, spec: {tier: security}}")
		_, err := in(client, fresh).Create(w.ctx, fresh, metav1.CreateOptions{})
		refused(kind+" create", err)
		refused(kind+" apply", w.apply(client, fresh))
		refused(kind+" update", w.update(client, live, func(u *unstructured.Unstructured) { u.SetAnnotations(map[string]string{"a": "b"}) }))
		refused(kind+" apply to it", w.apply(client, parse(t, "{kind: "+kind+", metadata: {name: live"+namespaceOf(kind)+"}, spec: {tier: security, order: 3}}")))
		for _, body := range []string{`{"spec": {"order": 3}}`, `{"spec": {"tier": "default"}}`, `{"spec": {"tier": null}}`, `{"metadata": {"labels": {"projectcalico.org/tier": "default"}}}`} {
			refused(kind+" patch "+body, w.patch(client, live, body))
			_, err := in(client, live).Patch(w.ctx, "live", types.MergePatchType, []byte(body), metav1.PatchOptions{}, "status")
			refused(kind+" patch status", err)
		}
		refused(kind+" delete", in(client, live).Delete(w.ctx, "live", metav1.DeleteOptions{}))
		refused(kind+" delete all", in(client, live).DeleteCollection(w.ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: v3.TierLabel + "=security"}))
		if now, err := w.get(live); err != nil || now.GetGeneration() != 1 || now.GetDeletionTimestamp() != nil {
			t.Errorf("%s is not as it was: %v %v", kind, now, err)
		}
	}
	u := parse(t, "{kind: StagedKubernetesNetworkPolicy, metadata: {name: p, namespace: blue}, spec: {tier: security, podSelector: {}}}")
	if made, err := in(client, u).Create(w.ctx, u, metav1.CreateOptions{}); err == nil { // the field is not one of the kind
		if tier, _, _ := unstructured.NestedString(made.Object, "spec", "tier"); tier != "" || made.GetLabels()[v3.TierLabel] != "default" {
			t.Errorf("a staged Kubernetes policy is in the tier %q", tier)
		}
		w.delete(t, made)
	}
}

// grants: what the resourceNames of a role, and where it is bound, give.
func (w *world) grants(t *testing.T) {
	role := func(name string, verbs []string, names ...string) string {
		r := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "grant-" + name}, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{v3.Group}, Verbs: verbs, Resources: []string{"tier.networkpolicies"}, ResourceNames: names,
		}, {
			APIGroups: []string{v3.Group}, Verbs: []string{"get"}, Resources: []string{"tiers"},
		}}}
		if _, err := w.core.RbacV1().ClusterRoles().Create(w.ctx, r, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		return r.Name
	}
	create := func(user, name, namespace, tier string) error {
		u := parse(t, "{kind: NetworkPolicy, metadata: {name: "+name+", namespace: "+namespace+"}, spec: {tier: "+tier+"}}")
		_, err := in(w.as(user), u).Create(w.ctx, u, metav1.CreateOptions{})
		w.delete(t, u)
		return err
	}
	needs := func(user, verb, tier, namespace, name string) string {
		return cannot(user, verb, "networkpolicies", tier, namespace) + fmt.Sprintf(` (user needs %s on tier.networkpolicies, name "%s.*" or %q)`, verb, tier, name)
	}
	all := []string{"create", "update", "patch", "delete"}
	t.Run("one tier", func(t *testing.T) {
		defer w.plainRights(t, "tiered", role("tier", all, "security.*"))()
		says(t, create("tiered", "p", "blue", "security"), "")
		says(t, create("tiered", "p", "red", "security"), "")
		says(t, create("tiered", "p", "blue", "default"), needs("tiered", "create", "default", "blue", "p"))
		says(t, create("tiered", "p", "blue", "''"), needs("tiered", "create", "default", "blue", "p"))
	})
	t.Run("no names are every tier", func(t *testing.T) {
		defer w.plainRights(t, "every", role("every", all))()
		says(t, create("every", "p", "blue", "security"), "")
		says(t, create("every", "p", "blue", "default"), "")
	})
	t.Run("a policy by its name, as it is written", func(t *testing.T) {
		defer w.plainRights(t, "named", role("name", all, "mine"))()
		says(t, create("named", "mine", "blue", "security"), "")
		says(t, create("named", "mine", "red", "default"), "")
		says(t, create("named", "security.mine", "blue", "security"), needs("named", "create", "security", "blue", "security.mine"))
		u := w.must(t, w.admin, "{kind: NetworkPolicy, metadata: {name: mine, namespace: blue}, spec: {tier: security}}")
		says(t, w.patch(w.as("named"), u, `{"spec": {"tier": "default"}}`), "")
		says(t, in(w.as("named"), u).Delete(w.ctx, "mine", metav1.DeleteOptions{}), "")
	})
	t.Run("one verb", func(t *testing.T) {
		defer w.plainRights(t, "maker", role("verb", []string{"create"}, "security.*"))()
		u := w.must(t, w.as("maker"), "{kind: NetworkPolicy, metadata: {name: p, namespace: blue}, spec: {tier: security}}")
		defer w.delete(t, u)
		says(t, w.patch(w.as("maker"), u, `{"spec": {"order": 1}}`), needs("maker", "update", "security", "blue", "p"))
		says(t, in(w.as("maker"), u).Delete(w.ctx, "p", metav1.DeleteOptions{}), needs("maker", "delete", "security", "blue", "p"))
	})
	t.Run("one namespace", func(t *testing.T) {
		name := role("namespace", all, "security.*")
		defer w.plainRights(t, "local", "tierwall:tier-user:security")()
		if err := controlplane.Apply(w.ctx, w.plane.Config, []*unstructured.Unstructured{grant(t, "blue", "local", name)}); err != nil {
			t.Fatal(err)
		}
		w.eventually(t, "in its namespace", func() error { return create("local", "p", "blue", "security") })
		says(t, create("local", "p", "red", "security"), needs("local", "create", "security", "red", "p"))
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
