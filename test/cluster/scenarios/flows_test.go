package scenarios

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestFlows: what the chart's agents record comes to the chart's server, with what
// decided; an account with the viewer's role in a namespace sees the flows of that
// namespace, and no others.
func TestFlows(t *testing.T) {
	w := newWorld(t)
	w.installed()
	server := w.pod("server", w.nodes[0])
	w.pod("friend", w.nodes[1])
	w.pod("stranger", w.nodes[1])
	to := server.Status.PodIP + ":80"
	w.apply(onlyFriend)
	w.expect(false, "stranger", to)
	w.expect(true, "friend", to)
	ask := w.viewer()
	rule := "rule 0 of NetworkPolicy/" + w.namespace + "/only-friend in tier default"
	w.until("the denied attempt to be told of", func() bool {
		text, err := ask("flows", "--verdict", "deny")
		return err == nil && hasLine(text, w.namespace+"/stranger -> "+w.namespace+"/server tcp/80", "ingress: end of tier default")
	})
	w.until("the connection to be told of", func() bool {
		text, err := ask("flows", "--verdict", "allow")
		return err == nil && hasLine(text, w.namespace+"/friend -> "+w.namespace+"/server tcp/80", "ingress: "+rule)
	})
	all, err := ask("flows")
	if err != nil {
		t.Errorf("%v: %s", err, all)
	}
	for line := range strings.Lines(all) {
		if strings.Contains(line, " -> ") && !strings.Contains(line, w.namespace+"/") {
			t.Errorf("a flow of others: %s", line)
		}
	}
	if stats, err := ask("stats", "--since", "10m"); err != nil || !strings.Contains(stats, "only-friend") {
		t.Errorf("nothing is counted for the policy: %v\n%s", err, stats)
	}
}

// viewer returns a way to run the program as an account that may see the flows of
// the world's namespace. It returns what the program writes.
func (w *world) viewer() func(args ...string) (string, error) {
	w.Helper()
	_, err := w.client.RbacV1().RoleBindings(w.namespace).Create(w.ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "viewer"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "tierwall:viewer"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "default", Namespace: w.namespace}},
	}, metav1.CreateOptions{})
	if err != nil {
		w.Fatal(err)
	}
	token, err := w.client.CoreV1().ServiceAccounts(w.namespace).CreateToken(w.ctx, "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		w.Fatal(err)
	}
	file := filepath.Join(w.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token.Status.Token), 0o600); err != nil {
		w.Fatal(err)
	}
	at := strings.Replace(w.forward("5473"), "http://", "https://", 1)
	return func(args ...string) (string, error) {
		out, err := exec.CommandContext(w.ctx, os.Getenv("TIERWALL"), append(args, "--kubeconfig", w.kubeconfig, "--server", at, "--token-file", file)...).CombinedOutput()
		return string(out), err
	}
}

// hasLine reports whether a line has all of the parts.
func hasLine(text string, parts ...string) bool {
next:
	for line := range strings.Lines(text) {
		for _, part := range parts {
			if !strings.Contains(line, part) {
				continue next
			}
		}
		return true
	}
	return false
}
