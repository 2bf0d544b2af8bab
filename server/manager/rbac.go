package manager

import (
	"context"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/tierwall/tierwall/server"
)

// grants are the rights that bindings of RBAC give, each in one namespace or, if
// that is empty, everywhere.
type grants []granted

type granted struct {
	namespace string
	rules     []rbacv1.PolicyRule
	through   string // the binding, Kind/namespace/name
}

// roleBook are the roles and bindings that a user may read, by subject.
type roleBook struct {
	subjects map[rbacv1.Subject]grants
	// unread says which of them may not be read; empty if all were.
	unread []string
}

// readRoles reads all roles and bindings with a user's rights. Those in
// namespaces may be missing; without those of the cluster there is no book.
func readRoles(ctx context.Context, core kubernetes.Interface) (*roleBook, error) {
	rbac, all := core.RbacV1(), metav1.ListOptions{}
	clusterRoles, err := rbac.ClusterRoles().List(ctx, all)
	if err != nil {
		return nil, err
	}
	clusterBindings, err := rbac.ClusterRoleBindings().List(ctx, all)
	if err != nil {
		return nil, err
	}
	book := &roleBook{subjects: map[rbacv1.Subject]grants{}}
	rules := map[rbacv1.RoleRef]map[string][]rbacv1.PolicyRule{}
	put := func(kind, namespace, name string, r []rbacv1.PolicyRule) {
		ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
		if rules[ref] == nil {
			rules[ref] = map[string][]rbacv1.PolicyRule{}
		}
		rules[ref][namespace] = r
	}
	for _, r := range clusterRoles.Items {
		put("ClusterRole", "", r.Name, r.Rules)
	}
	bindings, err := rbac.RoleBindings("").List(ctx, all)
	if err != nil {
		book.unread, bindings = append(book.unread, "rolebindings"), &rbacv1.RoleBindingList{}
	}
	roles, err := rbac.Roles("").List(ctx, all)
	if err != nil {
		book.unread, roles = append(book.unread, "roles"), &rbacv1.RoleList{}
	}
	for _, r := range roles.Items {
		put("Role", r.Namespace, r.Name, r.Rules)
	}
	for _, b := range clusterBindings.Items {
		book.bind(b.Subjects, granted{"", rules[b.RoleRef][""], "ClusterRoleBinding//" + b.Name})
	}
	for _, b := range bindings.Items {
		from := ""
		if b.RoleRef.Kind == "Role" {
			from = b.Namespace
		}
		book.bind(b.Subjects, granted{b.Namespace, rules[b.RoleRef][from], "RoleBinding/" + b.Namespace + "/" + b.Name})
	}
	return book, nil
}

func (b *roleBook) bind(subjects []rbacv1.Subject, g granted) {
	for _, s := range subjects {
		if s.Kind == rbacv1.ServiceAccountKind && s.Namespace == "" {
			s.Namespace = g.namespace
		}
		s.APIGroup = ""
		b.subjects[s] = append(b.subjects[s], g)
	}
}

// allows reports whether a rule gives what is asked for.
func allows(r rbacv1.PolicyRule, a *authorizationv1.ResourceAttributes) bool {
	has := func(list []string, value string) bool {
		return slices.Contains(list, "*") || slices.Contains(list, value)
	}
	return has(r.Verbs, a.Verb) && has(r.APIGroups, a.Group) && has(r.Resources, a.Resource) &&
		(len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, a.Name))
}

// allowing returns the bindings that give what is asked for.
func (g grants) allowing(a *authorizationv1.ResourceAttributes) []string {
	var through []string
	for _, x := range g {
		if (x.namespace == "" || x.namespace == a.Namespace) && slices.ContainsFunc(x.rules, func(r rbacv1.PolicyRule) bool { return allows(r, a) }) {
			through = append(through, x.through)
		}
	}
	return through
}

// grantReviewer lets server.Access ask the grants of one subject instead of the
// API server.
type grantReviewer struct {
	grants     grants
	tier       string
	namespaces []string
}

var _ server.Reviewer = grantReviewer{}

// Tiers implements server.Reviewer.
func (r grantReviewer) Tiers(context.Context) ([]string, error) { return []string{r.tier}, nil }

// Namespaces implements server.Reviewer.
func (r grantReviewer) Namespaces(context.Context) ([]string, error) {
	return slices.Clone(r.namespaces), nil
}

// Review implements server.Reviewer.
func (r grantReviewer) Review(_ context.Context, spec authorizationv1.SubjectAccessReviewSpec) (bool, error) {
	return len(r.grants.allowing(spec.ResourceAttributes)) > 0, nil
}

// unreadInWords says what the book lacks; nil if nothing.
func (b *roleBook) unreadInWords() *string {
	if len(b.unread) == 0 {
		return nil
	}
	return text(fmt.Sprintf("rights that are given in single namespaces are missing here: you may not list %s", strings.Join(b.unread, " and ")))
}
