package translate_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"
	"sigs.k8s.io/yaml"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
)

// kinds makes an empty object of a kind. knp is Kubernetes' own NetworkPolicy.
func kinds(kind string) metav1.Object {
	switch kind {
	case "Namespace":
		return &corev1.Namespace{}
	case "ServiceAccount":
		return &corev1.ServiceAccount{}
	case "Node":
		return &corev1.Node{}
	case "Pod":
		return &corev1.Pod{}
	case "EndpointSlice":
		return &discoveryv1.EndpointSlice{}
	case "knp":
		return &networkingv1.NetworkPolicy{}
	case "ClusterNetworkPolicy":
		return &policyv1alpha2.ClusterNetworkPolicy{}
	case "NetworkPolicy":
		return &v3.NetworkPolicy{}
	case "GlobalNetworkPolicy":
		return &v3.GlobalNetworkPolicy{}
	case "StagedNetworkPolicy":
		return &v3.StagedNetworkPolicy{}
	case "StagedGlobalNetworkPolicy":
		return &v3.StagedGlobalNetworkPolicy{}
	case "StagedKubernetesNetworkPolicy":
		return &v3.StagedKubernetesNetworkPolicy{}
	case "NetworkSet":
		return &v3.NetworkSet{}
	case "GlobalNetworkSet":
		return &v3.GlobalNetworkSet{}
	case "HostEndpoint":
		return &v3.HostEndpoint{}
	case "Tier":
		return &v3.Tier{}
	case "Profile":
		return &v3.Profile{}
	}
	return nil
}

// read decodes a manifest of several documents. A field that does not exist
// is an error of the test.
func read(t testing.TB, manifest string) []metav1.Object {
	t.Helper()
	var all []metav1.Object
	for doc := range strings.SplitSeq(manifest, "\n---\n") {
		if strings.TrimSpace(doc) == "" {
			continue
		}
		var head struct {
			Kind       string `json:"kind"`
			APIVersion string `json:"apiVersion"`
		}
		if err := yaml.Unmarshal([]byte(doc), &head); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		o := kinds(head.Kind)
		if head.APIVersion == "networking.k8s.io/v1" {
			o = kinds("knp")
		}
		if o == nil {
			t.Fatalf("kind %q in\n%s", head.Kind, doc)
		}
		if err := yaml.UnmarshalStrict([]byte(doc), o); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		all = append(all, o)
	}
	return all
}

// world puts a manifest into a state, with the problems of all its objects.
func world(t testing.TB, manifests ...string) (*model.State, []model.Problem) {
	t.Helper()
	s := model.NewState()
	var problems []model.Problem
	for _, o := range read(t, strings.Join(manifests, "\n---\n")) {
		object, found := translate.Object(o)
		problems = append(problems, found...)
		if object == nil {
			continue
		}
		if key, ok := translate.Key(o); !ok || key != object.Key() {
			t.Errorf("Key says %+v, the object %+v", key, object.Key())
		}
		s.Apply(model.Put(object))
	}
	return s, problems
}

// one translates a manifest of one object that has no problems.
func one[T model.Object](t testing.TB, manifest string) T {
	t.Helper()
	object, problems := translate.Object(read(t, manifest)[0])
	if len(problems) > 0 {
		t.Fatalf("problems %v in\n%s", problems, manifest)
	}
	typed, ok := object.(T)
	if !ok {
		t.Fatalf("%T from\n%s", object, manifest)
	}
	return typed
}

// spec writes a manifest of a kind and name with the spec, a YAML flow map.
func manifest(kind, namespace, name, spec string) string {
	api := "projectcalico.org/v3"
	switch kind {
	case "knp":
		kind, api = "NetworkPolicy", "networking.k8s.io/v1"
	case "cnp":
		kind, api = "ClusterNetworkPolicy", "policy.networking.k8s.io/v1alpha2"
	}
	meta := "{name: " + name + "}"
	if namespace != "" {
		meta = "{name: " + name + ", namespace: " + namespace + "}"
	}
	return "apiVersion: " + api + "\nkind: " + kind + "\nmetadata: " + meta + "\nspec: " + spec
}

func np(spec string) string  { return manifest("NetworkPolicy", "blue", "p", spec) }
func gnp(spec string) string { return manifest("GlobalNetworkPolicy", "", "p", spec) }
func knp(spec string) string { return manifest("knp", "blue", "p", spec) }

// cnp is a ClusterNetworkPolicy of tier Admin for all pods.
func cnp(rules string) string {
	return manifest("cnp", "", "p", "{tier: Admin, priority: 10, subject: {namespaces: {}}, "+rules+"}")
}

// textOf writes a list as fmt does, "[a b]".
func textOf[T any](list []T) string { return fmt.Sprint(list) }
