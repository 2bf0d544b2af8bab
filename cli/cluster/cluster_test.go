package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/cli/cluster"
)

// api is an API server that answers lists: path to handler. What is not there
// has no items if it is a core kind, and is unknown otherwise.
func api(t *testing.T, paths map[string]http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" || r.Method != http.MethodGet {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		switch h := paths[r.URL.Path]; {
		case h != nil:
			h(w, r)
		case strings.HasPrefix(r.URL.Path, "/prefix/api/v1/"):
			fmt.Fprint(w, `{"items": []}`)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: one
contexts: [{name: one, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "%s/prefix", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: secret}}]
`, server.URL)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func answer(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func read(t *testing.T, kubeconfig string) ([]string, error) {
	t.Helper()
	config, err := cluster.Config(kubeconfig, "")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := cluster.Read(context.Background(), config)
	var names []string
	for _, o := range objects {
		if o.Document != nil {
			t.Errorf("%s claims to be from a file", o.Name())
		}
		names = append(names, o.Name())
	}
	return names, err
}

func TestRead(t *testing.T) {
	names, err := read(t, api(t, map[string]http.HandlerFunc{
		"/prefix/api/v1/pods": func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Query().Get("continue") {
			case "":
				fmt.Fprint(w, `{"metadata": {"continue": "next/+"}, "items": [{"metadata": {"name": "a", "namespace": "x"}, "unknown": 1}]}`)
			case "next/+":
				fmt.Fprint(w, `{"items": [{"metadata": {"name": "b", "namespace": "x"}}]}`)
			default:
				http.Error(w, "bad continue", http.StatusBadRequest)
			}
		},
		"/prefix/apis/networking.k8s.io/v1/networkpolicies": answer(`{"items": [{"metadata": {"name": "k", "namespace": "x"}}]}`),
		"/prefix/apis/projectcalico.org/v3/tiers":           answer(`{"items": [{"metadata": {"name": "t"}, "spec": {"order": 5}}]}`),
	}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Pod/x/a", "Pod/x/b", "KubernetesNetworkPolicy/x/k", "Tier//t"}, names); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestExpired holds that a list whose continuation expired is read anew.
func TestExpired(t *testing.T) {
	names, err := read(t, api(t, map[string]http.HandlerFunc{
		"/prefix/api/v1/pods": func(w http.ResponseWriter, r *http.Request) {
			switch q := r.URL.Query(); {
			case q.Get("continue") != "":
				w.WriteHeader(http.StatusGone)
			case q.Get("limit") != "":
				fmt.Fprint(w, `{"metadata": {"continue": "next"}, "items": [{"metadata": {"name": "a", "namespace": "x"}}]}`)
			default:
				fmt.Fprint(w, `{"items": [{"metadata": {"name": "a", "namespace": "x"}}, {"metadata": {"name": "b", "namespace": "x"}}]}`)
			}
		},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Pod/x/a", "Pod/x/b"}, names); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	for want, h := range map[string]http.HandlerFunc{
		"403 Forbidden: pods is forbidden": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"kind": "Status", "message": "pods is forbidden"}`)
		},
		"404 Not Found":                        http.NotFound,
		"the answer is not a list":             answer(`<html>`),
		"object 0":                             answer(`{"items": [{"metadata": {"name": 7}}]}`),
		"list pods of v1: 500 Internal Server": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	} {
		names, err := read(t, api(t, map[string]http.HandlerFunc{"/prefix/api/v1/pods": h}))
		if err == nil || !strings.Contains(err.Error(), want) || names != nil {
			t.Errorf("got %v, %v; want an error with %q", names, err, want)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	if _, err := cluster.Config("", ""); err == nil || err.Error() != "no cluster is configured" {
		t.Errorf("without a kubeconfig: %v", err)
	}
	if _, err := cluster.Config(filepath.Join(t.TempDir(), "none"), ""); err == nil {
		t.Error("a missing kubeconfig is no error")
	}
	if _, err := cluster.Config(api(t, nil), "other"); err == nil {
		t.Error("a missing context is no error")
	}
}

// TestLearned: what the server published is read; where there is none, or it is
// not for this user, that is said as such; what is broken is an error.
func TestLearned(t *testing.T) {
	const path = "/prefix/api/v1/namespaces/tw/configmaps/tierwall-domains"
	answer := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, text)
		}
	}
	for name, row := range map[string]struct {
		handler http.HandlerFunc
		names   int
		notTold bool
		fails   bool
	}{
		"read": {answer(`{"kind":"ConfigMap","apiVersion":"v1","data":{"domains":"{\"names\":[{\"name\":\"a.b\",\"addresses\":[{\"addr\":\"192.0.2.1\"}]}],\"leftOut\":2}"}}`), 1, false, false},
		"none": {func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, 0, true, true},
		"not for this user": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			http.Error(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403}`, http.StatusForbidden)
		}, 0, true, true},
		"broken": {answer(`{"kind":"ConfigMap","apiVersion":"v1","data":{"domains":"{"}}`), 0, false, true},
	} {
		config, err := cluster.Config(api(t, map[string]http.HandlerFunc{path: row.handler}), "")
		if err != nil {
			t.Fatal(err)
		}
		d, err := cluster.Learned(t.Context(), config, "tw")
		if len(d.Names) != row.names || errors.Is(err, cluster.ErrNotTold) != row.notTold || (err != nil) != row.fails {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}
