package managertest

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/client-go/rest"

	"github.com/tierwall/tierwall/server/manager"
)

func tokenRequest() *authenticationv1.TokenRequest {
	ten := int64(600)
	return &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &ten}}
}

// link is a way to the API server that can be cut.
type link struct {
	net.Listener
	to string

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func (l *link) serve() {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", l.to)
		l.mu.Lock()
		if err != nil || l.cut {
			_ = in.Close()
			l.mu.Unlock()
			continue
		}
		l.conns = append(l.conns, in, out)
		l.mu.Unlock()
		go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
		go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
	}
}

func (l *link) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	if cut {
		for _, c := range l.conns {
			_ = c.Close()
		}
		l.conns = nil
	}
}

// away cuts a second Manager off the API server.
func (w *world) away(t *testing.T) {
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	way := &link{Listener: listen, to: w.plane.Address()}
	defer way.Close()
	go way.serve()
	config := rest.CopyConfig(w.plane.Config)
	config.Host = "https://" + listen.Addr().String()
	m, err := manager.Start(w.ctx, manager.Options{Config: config})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Ready(w.ctx); err != nil {
		t.Fatal(err)
	}
	cutOff := &world{ctx: w.ctx, plane: w.plane, manager: m, core: w.core}
	cutOff.follow(t)
	admin := cutOff.as(t, "admin")
	var list manager.EndpointPage
	cutOff.eventually(t, "it is live", func() bool {
		admin.want(http.StatusOK, admin.do("GET", "/api/v1/endpoints", nil, &list))
		return list.View.Live && list.Total == 4
	})
	way.set(true)
	cutOff.eventually(t, "it says that it is not live", func() bool {
		admin.want(http.StatusOK, admin.do("GET", "/api/v1/endpoints", nil, &list))
		return !list.View.Live
	})
	if list.Total != 4 || !strings.Contains(some(list.View.Reason), "does not answer") || list.View.AsOf.IsZero() {
		t.Errorf("%+v", list.View)
	}
	r := admin.want(http.StatusServiceUnavailable, admin.do("POST", "/api/v1/objects", manager.Write{Yaml: policy("NetworkPolicy", "blue", "x", "  order: 1\n")}, nil))
	if r.problem.Type != "urn:tierwall:away" {
		t.Errorf("%s", r.body)
	}
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/session", nil, nil))
	way.set(false)
	cutOff.eventually(t, "it is live again", func() bool {
		list = manager.EndpointPage{}
		admin.want(http.StatusOK, admin.do("GET", "/api/v1/endpoints", nil, &list))
		return list.View.Live
	})
}
