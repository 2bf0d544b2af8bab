package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// identity is the server's certificate and what is to be trusted for it. It is
// safe for concurrent use.
type identity struct {
	// make returns a certificate and until when it serves.
	make func(now time.Time) (*tls.Certificate, time.Time, error)
	// trusted returns what is to be trusted, in PEM; nothing if that is what
	// machines trust anyhow.
	trusted func() ([]byte, error)

	mu    sync.Mutex
	have  *tls.Certificate
	until time.Time
}

// rereadAfter is how often files are looked at that somebody else may replace.
const rereadAfter = time.Minute

// newIdentity returns that of a server that is reached under a host: of files,
// if there are any; else of an authority.
func (s *Server) newIdentity(ctx context.Context, host string) (*identity, error) {
	o := s.options
	switch {
	case o.CertFile != "" || o.KeyFile != "":
		return fromFiles(o), nil
	case o.CAFile != "":
		return nil, errors.New("a CA is given for the webhook, and no certificate")
	}
	var a *authority
	var err error
	if o.Service == "" {
		a, err = newAuthority(time.Now())
	} else {
		a, err = sharedAuthority(ctx, s.core, o.Namespace, time.Now())
	}
	if err != nil {
		return nil, err
	}
	return a.identity(host), nil
}

func (a *authority) identity(host string) *identity {
	return &identity{
		trusted: func() ([]byte, error) { return a.trusted, nil },
		make: func(now time.Time) (*tls.Certificate, time.Time, error) {
			c, err := a.issue(host, now)
			return c, now.Add(certificateLifetime / 2), err
		},
	}
}

func fromFiles(o Options) *identity {
	return &identity{
		make: func(now time.Time) (*tls.Certificate, time.Time, error) {
			c, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
			if err != nil {
				return nil, time.Time{}, fmt.Errorf("certificate of the webhook: %w", err)
			}
			return &c, now.Add(rereadAfter), nil
		},
		trusted: func() ([]byte, error) {
			if o.CAFile == "" {
				return nil, nil
			}
			bundle, err := os.ReadFile(o.CAFile)
			if err != nil {
				return nil, fmt.Errorf("CA of the webhook: %w", err)
			}
			return bundle, nil
		},
	}
}

// certificate returns the certificate as of now. One that cannot be replaced is
// used on.
func (i *identity) certificate(now time.Time) (*tls.Certificate, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.have != nil && now.Before(i.until) {
		return i.have, nil
	}
	next, until, err := i.make(now)
	if err != nil {
		if i.have == nil {
			return nil, err
		}
		i.until = now.Add(rereadAfter)
		return i.have, nil
	}
	i.have, i.until = next, until
	return i.have, nil
}

// tls is how the server's ends are served.
func (i *identity) tls() *tls.Config {
	return &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return i.certificate(time.Now()) },
		MinVersion:     tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	}
}
