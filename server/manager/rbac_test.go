package manager

import (
	"context"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func user(name string) []rbacv1.Subject {
	return []rbacv1.Subject{{Kind: "User", Name: name, APIGroup: rbacv1.GroupName}}
}

func rule(verbs, resources string, names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: strings.Fields(verbs), APIGroups: []string{"projectcalico.org"}, Resources: strings.Fields(resources), ResourceNames: names}
}

func clusterRole(name string, rules ...rbacv1.PolicyRule) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
}

func clusterBinding(role string, subjects ...rbacv1.Subject) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "b-" + role}, Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}}
}

// TestSubjects: who may write in a tier, and where, from roles alone.
func TestSubjects(t *testing.T) {
	write := "create update delete"
	robot := rbacv1.Subject{Kind: "ServiceAccount", Name: "robot", Namespace: "blue"}
	here := robot // in the binding of a namespace, which need not be named
	here.Namespace = ""
	objects := []runtime.Object{
		clusterRole("all", rbacv1.PolicyRule{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}}),
		clusterBinding("all", rbacv1.Subject{Kind: "Group", Name: "system:masters"}),
		clusterRole("tier", rule("get", "tiers", "security"), rule(write, "tier.networkpolicies", "security.*")),
		clusterBinding("tier", append(user("dev"), robot)...),
		clusterRole("other", rule("get", "tiers", "default"), rule(write, "tier.networkpolicies", "default.*"), rule(write, "networkpolicies")),
		clusterBinding("other", user("else")...),
		clusterRole("plain", rule(write, "networkpolicies")),
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "in", Namespace: "blue"}, Subjects: append(user("dev"), here), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "plain"}},
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "own", Namespace: "red"}, Rules: []rbacv1.PolicyRule{rule("create", "networkpolicies")}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "own", Namespace: "red"}, Subjects: user("dev"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "own"}},
	}
	book, err := readRoles(context.Background(), fake.NewClientset(objects...))
	if err != nil {
		t.Fatal(err)
	}
	all, err := book.inTier(context.Background(), "security", []string{"blue", "red"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range all {
		for _, r := range s.Access.Rights {
			if r.Kind != "NetworkPolicy" || r.Verb != "create" && r.Verb != "delete" {
				continue
			}
			where := strings.Join(r.Namespaces, ",")
			if r.Everywhere {
				where = "*"
			}
			got = append(got, string(s.Kind)+" "+s.Name+" "+string(r.Verb)+" "+where)
		}
	}
	want := []string{"Group system:masters create *", "Group system:masters delete *", "ServiceAccount robot create blue", "ServiceAccount robot delete blue",
		"User dev create blue,red", "User dev delete blue"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	through := all[len(all)-1].Through
	if !slices.Equal(through, []string{"ClusterRoleBinding//b-tier", "RoleBinding/blue/in", "RoleBinding/red/own"}) {
		t.Errorf("dev has it through %v", through)
	}
}

// TestRolesUnread: what may not be read is said.
func TestRolesUnread(t *testing.T) {
	refuse := func(resources ...string) *fake.Clientset {
		c := fake.NewClientset()
		for _, r := range resources {
			c.PrependReactor("list", r, func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: r}, "", nil)
			})
		}
		return c
	}
	if _, err := readRoles(context.Background(), refuse("clusterroles")); !apierrors.IsForbidden(err) {
		t.Errorf("%v", err)
	}
	book, err := readRoles(context.Background(), refuse("roles", "rolebindings"))
	if err != nil || book.unreadInWords() == nil || !strings.Contains(*book.unreadInWords(), "rolebindings and roles") {
		t.Errorf("%v %+v", err, book)
	}
}
