package server

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

func TestAddress(t *testing.T) {
	for _, row := range []struct {
		o                         Options
		listening, url, host, err string
	}{
		{Options{}, "127.0.0.1:9", "https://127.0.0.1:9/validate", "127.0.0.1", ""},
		{Options{}, "[::1]:9", "https://[::1]:9/validate", "::1", ""},
		{Options{URL: "https://hook.example.org:8443"}, "[::]:9", "https://hook.example.org:8443/validate", "hook.example.org", ""},
		{Options{URL: "https://hook.example.org/base/"}, "[::]:9", "https://hook.example.org/base/validate", "hook.example.org", ""},
		{Options{Service: "tierwall/server"}, "[::]:9", "", "server.tierwall.svc", ""},
		{Options{}, "[::]:9", "", "", "say how the API server reaches it"},
		{Options{}, "0.0.0.0:9", "", "", "say how the API server reaches it"},
		{Options{URL: "http://hook:80"}, "[::]:9", "", "", "write https://HOST:PORT"},
		{Options{URL: "hook:80"}, "[::]:9", "", "", "write https://HOST:PORT"},
		{Options{Service: "server"}, "[::]:9", "", "", "write it as NAMESPACE/NAME"},
		{Options{Service: "a/b", URL: "https://x"}, "[::]:9", "", "", "give one of them"},
	} {
		a, err := addressOf(row.o, row.listening)
		if row.err != "" {
			if err == nil || !strings.Contains(err.Error(), row.err) {
				t.Errorf("%+v: %v", row.o, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", row.o, err)
			continue
		}
		c := a.client(validatePath, []byte("bundle"))
		url := ""
		if c.URL != nil {
			url = *c.URL
		}
		if url != row.url || a.host() != row.host || string(c.CABundle) != "bundle" {
			t.Errorf("%+v: %q %q", row.o, url, a.host())
		}
		if row.o.Service != "" && (c.Service == nil || c.Service.Namespace != "tierwall" || c.Service.Name != "server" || *c.Service.Path != validatePath) {
			t.Errorf("%+v", c.Service)
		}
	}
}

// TestConfigurations: what is asked about and what is not. Policies can be
// deleted, and status written, without the webhook.
func TestConfigurations(t *testing.T) {
	a, err := addressOf(Options{}, "127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	asked := func(rules []admissionregistrationv1.RuleWithOperations, operation admissionregistrationv1.OperationType, resource string) bool {
		return slices.ContainsFunc(rules, func(r admissionregistrationv1.RuleWithOperations) bool {
			return slices.Contains(r.Operations, operation) && slices.Contains(r.Resources, resource)
		})
	}
	v, m := validating(a, nil).Webhooks[0], mutating(a, nil).Webhooks[0]
	for _, k := range kinds() {
		if !asked(v.Rules, "CREATE", k.resource) || !asked(v.Rules, "UPDATE", k.resource) {
			t.Errorf("%s are not validated", k.resource)
		}
		if got := asked(v.Rules, "DELETE", k.resource); got != (k.name == "Tier") {
			t.Errorf("deletion of %s: %v", k.resource, got)
		}
		if got := asked(m.Rules, "CREATE", k.resource); got != (k.policy || k.name == "Tier") {
			t.Errorf("%s are stamped: %v", k.resource, got)
		}
		if asked(v.Rules, "UPDATE", k.resource+"/status") || asked(m.Rules, "UPDATE", k.resource+"/status") {
			t.Errorf("status of %s", k.resource)
		}
	}
	if *v.FailurePolicy != "Fail" || *m.FailurePolicy != "Fail" || *v.SideEffects != "None" || *m.ReinvocationPolicy != "IfNeeded" {
		t.Errorf("%+v %+v", v, m)
	}
}

// TestSelfMade: a client that trusts the bundle takes the certificate for the
// host, and for no other.
func TestSelfMade(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1", "server.tierwall.svc"} {
		pair, bundle, err := selfMade(host, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(bundle) {
			t.Fatal("no bundle")
		}
		cert, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{DNSName: host, Roots: roots}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{DNSName: "other", Roots: roots}); err == nil {
			t.Errorf("%s: it is for other hosts, too", host)
		}
	}
	pair, bundle, err := selfMade("127.0.0.1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	r, err := client.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
}

func TestCertificateFiles(t *testing.T) {
	s := &Server{options: Options{CAFile: "ca.pem"}}
	if _, _, err := s.certificate("x"); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("%v", err)
	}
	s = &Server{options: Options{CertFile: "none.pem", KeyFile: "none.key"}}
	if _, _, err := s.certificate("x"); err == nil || !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("%v", err)
	}
}
