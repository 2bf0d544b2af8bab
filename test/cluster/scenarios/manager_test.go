package scenarios

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestManager: with server.manager.enabled the pages are on the server's
// loopback, reached by a port that kubectl forwards; who logs in with a token of
// his sees what he may, and who has none is refused.
func TestManager(t *testing.T) {
	w := newWorld(t)
	w.installed()
	w.helm("--set", "server.manager.enabled=true")
	defer w.helm("--reset-values")
	base := w.forward("8080")
	if page := w.ask(http.MethodGet, base+"/", "", http.StatusOK); !strings.Contains(page, "<title>Tierwall") {
		t.Errorf("the page is %.200s", page)
	}
	w.ask(http.MethodPost, base+"/api/v1/session", `{"token":"nobody's"}`, http.StatusUnauthorized)
	token, err := w.client.CoreV1().ServiceAccounts(w.namespace).CreateToken(w.ctx, "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	answer := w.ask(http.MethodPost, base+"/api/v1/session", `{"token":"`+token.Status.Token+`"}`, http.StatusOK)
	if user := "system:serviceaccount:" + w.namespace + ":default"; !strings.Contains(answer, user) {
		t.Errorf("the session is not that of %s: %s", user, answer)
	}
}

// forward forwards a port of the server, and returns where it is here.
func (w *world) forward(port string) string {
	w.Helper()
	ctx, stop := context.WithCancel(w.ctx)
	c := exec.CommandContext(ctx, kubectlProgram(), "--kubeconfig", w.kubeconfig, "-n", release, "port-forward", "deployment/"+serverName, ":"+port)
	out, err := c.StdoutPipe()
	if err != nil {
		w.Fatal(err)
	}
	if err := c.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		stop()
		_ = c.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if at, ok := strings.CutPrefix(lines.Text(), "Forwarding from 127.0.0.1:"); ok {
			here, _, _ := strings.Cut(at, " ")
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return "http://localhost:" + here
		}
	}
	w.Fatal("kubectl forwards nothing")
	return ""
}

// ask sends a request as the pages do, and returns the answer, which has to have
// the status.
func (w *world) ask(method, url, body string, status int) string {
	w.Helper()
	ctx, stop := context.WithTimeout(w.ctx, 20*time.Second)
	defer stop()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", "http://"+r.URL.Host)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status {
		w.Fatalf("%s %s: %s, want %d: %v %s", method, url, answer.Status, status, err, text)
	}
	return string(text)
}
