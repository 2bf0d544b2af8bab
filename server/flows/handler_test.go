package flows

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/tierwall/tierwall/flow"
)

// authority signs client certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return authority{cert, key}
}

func (a authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

func (a authority) client(t *testing.T, user string, groups ...string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: user, Organization: groups}, NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// api is an API server that knows tokens by their user's name, and lets "root",
// and the group "masters", see all, and "dev" what is in the namespace red.
func api(ca authority) *fake.Clientset {
	c := fake.NewClientset(
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "extension-apiserver-authentication"}, Data: map[string]string{"client-ca-file": ca.pem()}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "red"}}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "blue"}})
	c.PrependReactor("create", "tokenreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		r := a.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenReview).DeepCopy()
		if r.Spec.Token != "nobody" {
			r.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: r.Spec.Token}}
		}
		return true, r, nil
	})
	c.PrependReactor("create", "subjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		r := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview).DeepCopy()
		at := r.Spec.ResourceAttributes
		right := at.Verb == "get" && at.Group == "tierwall.dev" && at.Resource == "flows"
		r.Status.Allowed = right && (r.Spec.User == "root" || slices.Contains(r.Spec.Groups, "masters") || r.Spec.User == "dev" && at.Namespace == "red")
		return true, r, nil
	})
	return c
}

type served struct {
	*fixture
	http *httptest.Server
	ca   authority
}

func serve(t *testing.T) *served {
	s := &served{fixture: open(t, t.TempDir()), ca: newAuthority(t)}
	check := func(_ context.Context, token, node string) error {
		if token != "agent-"+node {
			return errors.New("not this node's")
		}
		return nil
	}
	s.http = httptest.NewUnstartedServer(s.Handler(api(s.ca), check, func(error) int { return http.StatusForbidden }))
	s.http.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.http.StartTLS()
	t.Cleanup(s.http.Close)
	return s
}

func (s *served) get(t *testing.T, token, query string, cert ...tls.Certificate) (int, flow.Page) {
	t.Helper()
	client := s.http.Client()
	if len(cert) > 0 {
		transport := client.Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.Certificates = cert
		client = &http.Client{Transport: transport}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.http.URL+flow.Path+query, nil)
	must(t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	var p flow.Page
	if resp.StatusCode == http.StatusOK {
		must(t, json.NewDecoder(resp.Body).Decode(&p))
	}
	return resp.StatusCode, p
}

// TestAccess: who may get flows everywhere sees all, who may in a namespace sees
// those with an end there and no others, and nobody else sees any.
func TestAccess(t *testing.T) {
	s := serve(t)
	s.put(numbered(1), numbered(2), numbered(3)) // 1 and 3 are red's, 2 is blue's
	other := newAuthority(t)
	for name, row := range map[string]struct {
		token, query string
		cert         []tls.Certificate
		status       int
		want         []int
	}{
		"all":                       {"root", "", nil, 200, []int{3, 2, 1}},
		"all, one asked":            {"root", "?namespace=blue", nil, 200, []int{2}},
		"namespace":                 {"dev", "", nil, 200, []int{3, 1}},
		"namespace, its own":        {"dev", "?namespace=red", nil, 200, []int{3, 1}},
		"namespace, another":        {"dev", "?namespace=blue", nil, 403, nil},
		"namespace, both":           {"dev", "?namespace=blue&namespace=red", nil, 200, []int{3, 1}},
		"no rights":                 {"eve", "", nil, 403, nil},
		"no token":                  {"", "", nil, 401, nil},
		"unknown token":             {"nobody", "", nil, 401, nil},
		"certificate":               {"", "", []tls.Certificate{s.ca.client(t, "dev")}, 200, []int{3, 1}},
		"certificate of a group":    {"", "", []tls.Certificate{s.ca.client(t, "x", "masters")}, 200, []int{3, 2, 1}},
		"certificate of another CA": {"", "", []tls.Certificate{other.client(t, "root", "masters")}, 401, nil},
		"bad question":              {"root", "?port=x", nil, 400, nil},
	} {
		status, page := s.get(t, row.token, row.query, row.cert...)
		if status != row.status || !slices.Equal(ports(page.Records), row.want) {
			t.Errorf("%s: %d %v, want %d %v", name, status, ports(page.Records), row.status, row.want)
		}
	}
}

// TestTake: an agent speaks for its own node, and what it sends twice is kept
// once.
func TestTake(t *testing.T) {
	s := serve(t)
	post := func(token, node string, b any) int {
		t.Helper()
		body, err := json.Marshal(b)
		must(t, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.http.URL+flow.Path+"?node="+node, bytes.NewReader(body))
		must(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := s.http.Client().Do(req)
		must(t, err)
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	lie := numbered(1)
	lie.Node = "n9"
	good := flow.Batch{Node: "n1", Instance: "i", Sequence: 1, Records: []flow.Record{lie}, Lost: flow.Loss{Denied: 4}}
	for name, row := range map[string]struct {
		token, node string
		body        any
		want        int
	}{
		"another node's token": {"agent-n2", "n1", good, 403},
		"another node inside":  {"agent-n2", "n2", good, 400},
		"no number":            {"agent-n1", "n1", flow.Batch{Node: "n1", Instance: "i"}, 400},
		"no batch":             {"agent-n1", "n1", "hello", 400},
	} {
		if got := post(row.token, row.node, row.body); got != row.want {
			t.Errorf("%s: %d, want %d", name, got, row.want)
		}
	}
	if a, b := post("agent-n1", "n1", good), post("agent-n1", "n1", good); a != 204 || b != 409 {
		t.Errorf("%d, then %d", a, b)
	}
	_, p := s.get(t, "root", "")
	if len(p.Records) != 1 || p.Records[0].Node != "n1" || p.Lost.Denied != 4 {
		t.Errorf("%+v", p)
	}
}

// TestFollowOverHTTP: a follower hears of what comes, and of what he may see
// alone.
func TestFollowOverHTTP(t *testing.T) {
	s := serve(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.http.URL+flow.Path+"?follow=1", nil)
	must(t, err)
	req.Header.Set("Authorization", "Bearer dev")
	resp, err := s.http.Client().Do(req)
	must(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || lines.Text() != ": following" {
		t.Fatalf("%d %q", resp.StatusCode, lines.Text())
	}
	s.put(numbered(1), numbered(2), numbered(3))
	var got []int
	for len(got) < 2 && lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var r flow.Record
			must(t, json.Unmarshal([]byte(data), &r))
			got = append(got, int(r.Port))
		}
	}
	if !slices.Equal(got, []int{1, 3}) {
		t.Errorf("%v", got)
	}
}
