package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func mustAuthority(t *testing.T, now time.Time) *authority {
	t.Helper()
	a, err := newAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// trusts reports whether who trusts the bundle takes a certificate for a host.
func trusts(t *testing.T, bundle []byte, c *tls.Certificate, host string, now time.Time) bool {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		t.Fatal("no bundle")
	}
	cert, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	_, err = cert.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: now})
	return err == nil
}

// TestIssue: a client that trusts the bundle takes the certificate for the
// host, and for no other.
func TestIssue(t *testing.T) {
	now := time.Now()
	for _, host := range []string{"127.0.0.1", "::1", "server.tierwall.svc"} {
		a := mustAuthority(t, now)
		c, err := a.issue(host, now)
		if err != nil {
			t.Fatal(err)
		}
		if !trusts(t, a.trusted, c, host, now) {
			t.Errorf("%s: it is not taken", host)
		}
		if trusts(t, a.trusted, c, "other", now) {
			t.Errorf("%s: it is for other hosts, too", host)
		}
		if trusts(t, mustAuthority(t, now).trusted, c, host, now) {
			t.Errorf("%s: it is taken from another authority", host)
		}
	}
	a := mustAuthority(t, now)
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Listener = tls.NewListener(s.Listener, a.identity("127.0.0.1").tls())
	s.Start()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.trusted)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	r, err := client.Get(strings.Replace(s.URL, "http:", "https:", 1))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
}

// TestIdentity: a certificate is used until half of its time is over, and one
// that cannot be replaced is used on.
func TestIdentity(t *testing.T) {
	now := time.Now()
	i := mustAuthority(t, now).identity("host")
	first, err := i.certificate(now)
	if err != nil {
		t.Fatal(err)
	}
	if same, _ := i.certificate(now.Add(certificateLifetime / 3)); same != first {
		t.Error("it is replaced too early")
	}
	next, err := i.certificate(now.Add(certificateLifetime * 2 / 3))
	if err != nil || next == first {
		t.Error("it is not replaced", err)
	}
	i.make = func(time.Time) (*tls.Certificate, time.Time, error) { return nil, time.Time{}, errors.New("no") }
	if kept, err := i.certificate(now.Add(2 * certificateLifetime)); kept != next || err != nil {
		t.Error("it is not used on", err)
	}
}

// TestSharedAuthority: whichever server comes first makes the authority, all
// have the same, and one that ends soon is replaced while it is still trusted.
func TestSharedAuthority(t *testing.T) {
	client, now := fake.NewClientset(), time.Now()
	var all [8]*authority
	var group sync.WaitGroup
	for i := range all {
		group.Go(func() {
			a, err := sharedAuthority(t.Context(), client, "ns", now)
			if err != nil {
				t.Error(err)
				return
			}
			all[i] = a
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	for _, a := range all {
		if string(a.trusted) != string(all[0].trusted) {
			t.Fatal("they have not the same")
		}
	}
	late := now.Add(authorityLifetime - authorityRenewal/2)
	next, err := sharedAuthority(t.Context(), client, "ns", late)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []*authority{all[0], next} {
		c, err := a.issue("host", late)
		if err != nil {
			t.Fatal(err)
		}
		if !trusts(t, next.trusted, c, "host", late) {
			t.Error("the old and the new one are not both trusted")
		}
	}
	if again, err := sharedAuthority(t.Context(), client, "ns", late); err != nil || string(again.trusted) != string(next.trusted) {
		t.Error("it is replaced twice", err)
	}
	after := now.Add(authorityLifetime + authorityLifetime)
	last, err := sharedAuthority(t.Context(), client, "ns", after)
	if err != nil || strings.Count(string(last.trusted), "BEGIN") != 1 {
		t.Errorf("what has ended is trusted: %v", err)
	}
}

// TestBrokenAuthority: what is in the secret is never replaced because it cannot
// be read: the other servers and the agents may rely on it.
func TestBrokenAuthority(t *testing.T) {
	client := fake.NewClientset(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "tierwall-server"}, Data: map[string][]byte{"ca.crt": []byte("x")}})
	_, err := sharedAuthority(context.Background(), client, "ns", time.Now())
	if !errors.Is(err, errNoAuthority) || !strings.Contains(err.Error(), "secret ns/tierwall-server") {
		t.Error(err)
	}
}

func TestCertificateFiles(t *testing.T) {
	s := &Server{options: Options{CAFile: "ca.pem"}}
	if _, err := s.newIdentity(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("%v", err)
	}
	s = &Server{options: Options{CertFile: "none.pem", KeyFile: "none.key"}}
	i, err := s.newIdentity(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.certificate(time.Now()); err == nil || !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("%v", err)
	}
}
