package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/test/scale"
)

// stubAPI serves what the Manager asks an API server: lists, watches and
// reviews. What is measured is the Manager; an API server takes time of its own.
// Tokens are the names of users: admin may read all, member what is in the first
// ten namespaces.
type stubAPI struct {
	http *httptest.Server

	mu      sync.Mutex
	version int
	objects map[string][]*unstructured.Unstructured // by path
	watches map[string][]chan *unstructured.Unstructured
}

func newStubAPI(objects []*unstructured.Unstructured) *stubAPI {
	a := &stubAPI{version: 1, objects: map[string][]*unstructured.Unstructured{}, watches: map[string][]chan *unstructured.Unstructured{}}
	for _, k := range manifest.Kinds() {
		a.objects[pathOf(k)] = nil
	}
	for _, o := range objects {
		for _, k := range manifest.Kinds() {
			if k.APIVersion == o.GetAPIVersion() && k.Kind == o.GetKind() {
				a.objects[pathOf(k)] = append(a.objects[pathOf(k)], o)
			}
		}
	}
	a.http = httptest.NewServer(a)
	return a
}

func (a *stubAPI) config() *rest.Config {
	return &rest.Config{Host: a.http.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
}

func (a *stubAPI) close() {
	a.http.CloseClientConnections()
	a.http.Close()
}

func pathOf(k manifest.Kind) string {
	if strings.Contains(k.APIVersion, "/") {
		return "/apis/" + k.APIVersion + "/" + k.Plural
	}
	return "/api/" + k.APIVersion + "/" + k.Plural
}

// touch tells the watches that an object has changed.
func (a *stubAPI) touch(path string, i int, change func(*unstructured.Unstructured)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.version++
	o := a.objects[path][i].DeepCopy()
	o.SetResourceVersion(strconv.Itoa(a.version))
	change(o)
	a.objects[path][i] = o
	for _, w := range a.watches[path] {
		w <- o
	}
}

// ServeHTTP implements http.Handler.
func (a *stubAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case strings.HasSuffix(path, "/selfsubjectreviews"):
		answerJSON(w, authenticationv1.SelfSubjectReview{Status: authenticationv1.SelfSubjectReviewStatus{UserInfo: authenticationv1.UserInfo{Username: userOf(r)}}})
	case strings.HasSuffix(path, "/selfsubjectrulesreviews"):
		var in authorizationv1.SelfSubjectRulesReview
		_ = json.NewDecoder(r.Body).Decode(&in)
		in.Status.ResourceRules = rulesOf(userOf(r), in.Spec.Namespace)
		answerJSON(w, in)
	case r.URL.Query().Get("watch") != "":
		a.watch(w, r)
	case path == "/version":
		answerJSON(w, map[string]string{"major": "1"})
	default:
		a.mu.Lock()
		list, ok := a.objects[path]
		version := strconv.Itoa(a.version)
		a.mu.Unlock()
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			answerJSON(w, metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound})
			return
		}
		answerJSON(w, map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]string{"resourceVersion": version}, "items": append([]*unstructured.Unstructured{}, list...)})
	}
}

func userOf(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}

// rulesOf are the rights of a user in a namespace: the user member has all in ten
// of them, and may read each tier by its name.
func rulesOf(user, namespace string) []authorizationv1.ResourceRule {
	every := []string{"*"}
	if user == "admin" {
		return []authorizationv1.ResourceRule{{Verbs: every, APIGroups: every, Resources: every}}
	}
	var tiers []string
	for i := range 1000 {
		tiers = append(tiers, scale.Tier(i))
	}
	rules := []authorizationv1.ResourceRule{{Verbs: []string{"get"}, APIGroups: every, Resources: []string{"tiers"}, ResourceNames: tiers}}
	for i := range 10 {
		if namespace == scale.Namespace(i) {
			rules = append(rules, authorizationv1.ResourceRule{Verbs: every, APIGroups: every, Resources: every})
		}
	}
	return rules
}

func answerJSON(w http.ResponseWriter, o any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(o)
}

// watch tells what is there, if that is asked for, and then what changes.
func (a *stubAPI) watch(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	changes := make(chan *unstructured.Unstructured, 16)
	a.mu.Lock()
	list, version := slices.Clone(a.objects[path]), strconv.Itoa(a.version)
	a.watches[path] = append(a.watches[path], changes)
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	out := json.NewEncoder(w)
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		for _, o := range list {
			_ = out.Encode(map[string]any{"type": "ADDED", "object": o})
		}
		_ = out.Encode(map[string]any{"type": "BOOKMARK", "object": map[string]any{"apiVersion": "v1", "kind": "Any", "metadata": map[string]any{
			"resourceVersion": version, "annotations": map[string]string{metav1.InitialEventsAnnotationKey: "true"}}}})
	}
	flush := http.NewResponseController(w)
	_ = flush.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case o := <-changes:
			_ = out.Encode(map[string]any{"type": "MODIFIED", "object": o})
			_ = flush.Flush()
		}
	}
}
