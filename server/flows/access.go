package flows

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/report"
)

// trust is how long the API server's word on a reader holds.
const trust = 10 * time.Second

var (
	errWho       = errors.New("the request has no token and no client certificate that the API server takes")
	errForbidden = errors.New("not allowed")
)

// readers finds out who asks, and what he may see. The API server says both.
type readers struct {
	client kubernetes.Interface
	now    func() time.Time

	mu    sync.Mutex
	known map[string]known
	roots *x509.CertPool
	fresh time.Time // of roots
}

// known is what was found out about who bears a token or a certificate.
type known struct {
	who    authenticationv1.UserInfo
	err    error
	access flow.Access
	till   time.Time
}

// access returns what the sender of a request may see of the namespaces; of all
// if there are none.
func (r *readers) access(ctx context.Context, in *http.Request, namespaces []string) (flow.Access, error) {
	token, _ := strings.CutPrefix(in.Header.Get("Authorization"), "Bearer ")
	id := "token " + token
	if token == "" {
		if in.TLS == nil || len(in.TLS.PeerCertificates) == 0 {
			return flow.Access{}, errWho
		}
		id = "certificate " + string(in.TLS.PeerCertificates[0].Raw)
	}
	key := strings.Join(append([]string{id}, namespaces...), "\x00")
	r.mu.Lock()
	k, ok := r.known[key]
	r.mu.Unlock()
	if ok && r.now().Before(k.till) {
		return k.access, k.err
	}
	who, err := r.who(ctx, in, token)
	k = known{who: who, err: err, till: r.now().Add(trust)}
	if err == nil {
		k.access, k.err = r.review(ctx, who, namespaces)
	}
	if k.err == nil || errors.Is(k.err, errWho) || errors.Is(k.err, errForbidden) {
		r.mu.Lock()
		if len(r.known) > 1000 {
			clear(r.known)
		}
		r.known[key] = k
		r.mu.Unlock()
	}
	return k.access, k.err
}

func (r *readers) who(ctx context.Context, in *http.Request, token string) (authenticationv1.UserInfo, error) {
	if token == "" {
		return r.whoByCertificate(ctx, in.TLS.PeerCertificates)
	}
	review, err := r.client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil {
		return authenticationv1.UserInfo{}, fmt.Errorf("token review: %w", err)
	}
	if !review.Status.Authenticated {
		return authenticationv1.UserInfo{}, errWho
	}
	return review.Status.User, nil
}

// whoByCertificate takes the certificates that the API server takes: by the
// authority that it publishes for those who serve beside it.
func (r *readers) whoByCertificate(ctx context.Context, chain []*x509.Certificate) (authenticationv1.UserInfo, error) {
	roots, err := r.authority(ctx)
	if err != nil {
		return authenticationv1.UserInfo{}, err
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err = chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil || chain[0].Subject.CommonName == "" {
		return authenticationv1.UserInfo{}, errWho
	}
	return authenticationv1.UserInfo{
		Username: chain[0].Subject.CommonName, Groups: append(slices.Clone(chain[0].Subject.Organization), "system:authenticated"),
	}, nil
}

func (r *readers) authority(ctx context.Context) (*x509.CertPool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.roots != nil && r.now().Sub(r.fresh) < time.Minute {
		return r.roots, nil
	}
	const namespace, name = "kube-system", "extension-apiserver-authentication"
	m, err := r.client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("authority of client certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(m.Data["client-ca-file"])) {
		return nil, fmt.Errorf("authority of client certificates: configmap %s/%s names none", namespace, name)
	}
	r.roots, r.fresh = pool, r.now()
	return pool, nil
}

// review asks what the user may see: everything, or else what has an end in
// which namespaces.
func (r *readers) review(ctx context.Context, who authenticationv1.UserInfo, namespaces []string) (flow.Access, error) {
	all, err := r.may(ctx, who, "")
	if err != nil || all {
		return flow.Access{All: all}, err
	}
	if namespaces == nil {
		list, err := r.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		if err != nil {
			return flow.Access{}, fmt.Errorf("namespaces: %w", err)
		}
		for i := range list.Items {
			namespaces = append(namespaces, list.Items[i].Name)
		}
	}
	var out flow.Access
	for _, n := range namespaces {
		ok, err := r.may(ctx, who, n)
		if err != nil {
			return flow.Access{}, err
		}
		if ok {
			out.Namespaces = append(out.Namespaces, n)
		}
	}
	if len(out.Namespaces) == 0 {
		return out, fmt.Errorf("%w: user %s has not the right to get %s.%s, neither everywhere nor in a namespace that is asked for", errForbidden, who.Username, flow.Resource, report.Group)
	}
	return out, nil
}

func (r *readers) may(ctx context.Context, who authenticationv1.UserInfo, namespace string) (bool, error) {
	extra := map[string]authorizationv1.ExtraValue{}
	for k, v := range who.Extra {
		extra[k] = authorizationv1.ExtraValue(v)
	}
	a, err := r.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: who.Username, UID: who.UID, Groups: who.Groups, Extra: extra,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Group: report.Group, Resource: flow.Resource, Namespace: namespace},
	}}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("access review: %w", err)
	}
	return a.Status.Allowed, nil
}
