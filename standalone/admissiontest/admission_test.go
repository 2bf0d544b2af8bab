package admissiontest

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/deploy"
	"github.com/tierwall/tierwall/standalone/controlplane"
	"github.com/tierwall/tierwall/standalone/controlplane/planetest"
)

// world is the one control plane that a process can have.
type world struct {
	ctx   context.Context
	plane *controlplane.ControlPlane
	core  kubernetes.Interface
	admin dynamic.Interface
}

// TestAdmission walks through what a cluster refuses and what it says of what
// it takes.
func TestAdmission(t *testing.T) {
	ctx, plane := planetest.Start(t, 10*time.Minute, controlplane.Options{})
	w := &world{ctx: ctx, plane: plane, core: kubernetes.NewForConfigOrDie(plane.Config), admin: dynamic.NewForConfigOrDie(quiet(plane.Config))}
	w.setUp(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"wrong objects are refused by every way in", w.wrongObjects},
		{"the table of refusals", w.refusalTable},
		{"what is not supported is warned of", w.warnings},
		{"validate and admission refuse the same", w.sameAsValidate},
		{"policies carry the label of their tier", w.labels},
		{"tiers live and die", w.tierLifecycle},
		{"built-in tiers stay", w.builtinTiers},
		{"access to tiers", w.access},
		{"moving between tiers", w.moving},
		{"a developer in the tier of others", w.developerInSecurity},
		{"what roles give", w.grants},
		{"a right to one policy by name", w.byName},
		{"deletion of a collection", w.collection},
		{"controllers of the cluster", w.controllers},
		{"what a user may do", w.whatMay},
		{"status", w.status},
		{"host endpoints of nodes", w.nodeHosts},
		{"a namespace goes with its policies", w.namespaceGoes},
		{"without the server", w.serverDown},
	} {
		t.Run(part.name, part.run)
	}
}

// setUp makes two namespaces, a tier, and the two users of the demo.
func (w *world) setUp(t *testing.T) {
	t.Helper()
	for _, name := range []string{"blue", "red"} {
		if _, err := w.core.CoreV1().Namespaces().Create(w.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w.must(t, w.admin, "{kind: Tier, metadata: {name: security}, spec: {order: 100}}")
	var objects []*unstructured.Unstructured
	for _, tier := range []string{"security", "default"} {
		roles, err := deploy.TierRoles(tier)
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, roles...)
	}
	roles, err := deploy.NamespaceDeveloper()
	if err != nil {
		t.Fatal(err)
	}
	objects = append(objects, roles...)
	objects = append(objects,
		grant(t, "", "engineer", deploy.TierEditorRole("security")), grant(t, "", "viewer", deploy.TierViewerRole("security")),
		grant(t, "", "developer", deploy.TierUserRole("default")), grant(t, "blue", "developer", deploy.NamespaceDeveloperRole))
	if err := controlplane.Apply(w.ctx, w.plane.Config, objects); err != nil {
		t.Fatal(err)
	}
	w.eventually(t, "the roles hold", func() error {
		_, err := w.as("developer").Resource(resource("networkpolicies")).Namespace("blue").List(w.ctx, metav1.ListOptions{})
		return err
	})
}

// grant binds a ClusterRole to a user, in a namespace if one is named.
func grant(t *testing.T, namespace, user, role string) *unstructured.Unstructured {
	t.Helper()
	kind := "ClusterRoleBinding"
	if namespace != "" {
		kind = "RoleBinding"
	}
	u := parse(t, "{roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: '"+role+"'}, "+
		"subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "+user+"}]}")
	u.SetAPIVersion("rbac.authorization.k8s.io/v1")
	u.SetKind(kind)
	u.SetNamespace(namespace)
	u.SetName(user + ":" + role)
	return u
}

// as is a client of a user.
func (w *world) as(user string, groups ...string) dynamic.Interface {
	config := quiet(w.plane.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	return dynamic.NewForConfigOrDie(config)
}

// quiet leaves warnings unsaid.
func quiet(config *rest.Config) *rest.Config {
	c := rest.CopyConfig(config)
	c.WarningHandler = rest.NoWarnings{}
	return c
}

// parse reads an object of projectcalico.org/v3.
func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if u.GetAPIVersion() == "" {
		u.SetAPIVersion(v3.GroupVersion.String())
	}
	return u
}

// in returns the client for an object's kind and namespace.
func in(client dynamic.Interface, u *unstructured.Unstructured) dynamic.ResourceInterface {
	plural := strings.ToLower(u.GetKind())
	if stem, ok := strings.CutSuffix(plural, "y"); ok {
		plural = stem + "ies"
	} else {
		plural += "s"
	}
	return client.Resource(resource(plural)).Namespace(u.GetNamespace())
}

// must creates an object.
func (w *world) must(t *testing.T, client dynamic.Interface, text string) *unstructured.Unstructured {
	t.Helper()
	u := parse(t, text)
	out, err := in(client, u).Create(w.ctx, u, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out
}

func (w *world) delete(t *testing.T, u *unstructured.Unstructured) {
	t.Helper()
	if err := in(w.admin, u).Delete(w.ctx, u.GetName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		t.Errorf("%s %s: %v", u.GetKind(), u.GetName(), err)
	}
}

// apply applies an object as kubectl apply --server-side does.
func (w *world) apply(client dynamic.Interface, u *unstructured.Unstructured) error {
	body, err := json.Marshal(u)
	if err != nil {
		return err
	}
	force := true
	_, err = in(client, u).Patch(w.ctx, u.GetName(), types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: "test", Force: &force})
	return err
}

// update replaces an object as the administrator sees it now, changed; again if
// its status is written meanwhile.
func (w *world) update(client dynamic.Interface, u *unstructured.Unstructured, change func(*unstructured.Unstructured)) error {
	for {
		now, err := w.get(u)
		if err != nil {
			return err
		}
		change(now)
		if _, err = in(client, now).Update(w.ctx, now, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
			return err
		}
	}
}

// patch is a merge patch.
func (w *world) patch(client dynamic.Interface, u *unstructured.Unstructured, body string) error {
	_, err := in(client, u).Patch(w.ctx, u.GetName(), types.MergePatchType, []byte(body), metav1.PatchOptions{})
	return err
}

// eventually waits until f has no objection.
func (w *world) eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(w.ctx, 20*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		last = f()
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("%s: %v", what, last)
	}
}

// says holds an error to a text.
func says(t *testing.T, err error, text string) {
	t.Helper()
	switch {
	case err == nil && text != "":
		t.Errorf("it is taken; want: %s", text)
	case err != nil && text == "":
		t.Errorf("it is refused: %v", err)
	case err != nil && !strings.Contains(err.Error(), text):
		t.Errorf("it says: %v\nwant: %s", err, text)
	}
}
