package status

import (
	"context"
	"encoding/json"
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

	"github.com/tierwall/tierwall/report"
)

// nodeClaim is where the API server says on which node the pod or the node is
// that a token is bound to.
const nodeClaim = "authentication.kubernetes.io/node-name"

const (
	// maxReport is the size of a report, in bytes: 30,000 policies with long
	// names.
	maxReport = 16 << 20
	// atOnce is how many reports are read at once: after a start all nodes send
	// full ones, and those in memory at the same time are what a server needs most.
	atOnce = 64
	// trust is how long the API server's word on a token holds.
	trust = time.Minute
)

var (
	errNoToken   = errors.New("the report has no valid token for " + report.Audience)
	errForbidden = errors.New("not allowed")
)

// reporter is who a token belongs to.
type reporter struct {
	user string
	node string // the only one that it may speak for; empty if the token does not say
	till time.Time
	err  error
}

// gate asks the API server who sends a report, and whether he may.
type gate struct {
	client kubernetes.Interface
	mu     sync.Mutex
	known  map[string]reporter
}

// check returns nil if the bearer of the token may report for the node.
func (g *gate) check(ctx context.Context, token, node string) error {
	if token == "" {
		return errNoToken
	}
	g.mu.Lock()
	r, ok := g.known[token]
	g.mu.Unlock()
	if !ok || time.Now().After(r.till) {
		r = g.ask(ctx, token)
		if r.err != nil && !errors.Is(r.err, errNoToken) && !errors.Is(r.err, errForbidden) {
			return r.err // the API server could not be asked: nothing to remember
		}
		g.mu.Lock()
		if len(g.known) > 10_000 {
			clear(g.known) // tokens change by the hour
		}
		g.known[token] = r
		g.mu.Unlock()
	}
	if r.err != nil {
		return r.err
	}
	if r.node != "" && r.node != node {
		return fmt.Errorf("%w: the token is that of node %s, and the report of node %s", errForbidden, r.node, node)
	}
	return nil
}

func (g *gate) ask(ctx context.Context, token string) reporter {
	r := reporter{till: time.Now().Add(trust)}
	review, err := g.client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{report.Audience}}}, metav1.CreateOptions{})
	if err != nil {
		r.err = fmt.Errorf("token review: %w", err)
		return r
	}
	// an API server that knows no audiences answers for itself: not for us
	if !review.Status.Authenticated || !slices.Contains(review.Status.Audiences, report.Audience) {
		r.err = errNoToken
		return r
	}
	user := review.Status.User
	r.user = user.Username
	if claim := user.Extra[nodeClaim]; len(claim) == 1 {
		r.node = claim[0]
	}
	extra := map[string]authorizationv1.ExtraValue{}
	for k, v := range user.Extra {
		extra[k] = authorizationv1.ExtraValue(v)
	}
	access, err := g.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "create", Group: report.Group, Resource: report.Resource},
	}}, metav1.CreateOptions{})
	switch {
	case err != nil:
		r.err = fmt.Errorf("access review: %w", err)
	case !access.Status.Allowed:
		r.err = fmt.Errorf("%w: user %s has not the right to create %s.%s", errForbidden, r.user, report.Resource, report.Group)
	}
	return r
}

// handler takes reports. take reports false for one that does not follow, and
// says how long an agent may gather changes.
func handler(check func(ctx context.Context, token, node string) error, take func(context.Context, report.Report) (bool, time.Duration)) http.Handler {
	mux := http.NewServeMux()
	slots := make(chan struct{}, atOnce)
	mux.HandleFunc("POST "+report.Path, func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		// before the body is read, which may be large: is it anybody's at all?
		node := r.URL.Query().Get("node")
		if err := check(r.Context(), token, node); err != nil {
			http.Error(w, err.Error(), codeOf(err))
			return
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-r.Context().Done():
			return
		}
		var in report.Report
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxReport)).Decode(&in); err != nil {
			http.Error(w, "the report cannot be read: "+err.Error(), http.StatusBadRequest)
			return
		}
		if in.Node == "" || in.Node != node || in.Sequence == 0 || in.Instance == "" {
			http.Error(w, "the report does not say which one it is, or of which node", http.StatusBadRequest)
			return
		}
		ok, pace := take(r.Context(), in)
		if !ok {
			http.Error(w, "the report does not follow on what is known: send a full one", http.StatusConflict)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(report.Answer{Pace: pace})
	})
	return mux
}

func codeOf(err error) int {
	switch {
	case errors.Is(err, errNoToken):
		return http.StatusUnauthorized
	case errors.Is(err, errForbidden):
		return http.StatusForbidden
	}
	return http.StatusServiceUnavailable
}
