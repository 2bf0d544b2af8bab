package server

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/tierwall/tierwall/report"
)

const (
	// authorityLifetime is that of an authority, and authorityRenewal how long
	// before its end a server that starts makes another one. Both are trusted
	// until the old one ends.
	authorityLifetime = 10 * 365 * 24 * time.Hour
	authorityRenewal  = 2 * 365 * 24 * time.Hour
	// certificateLifetime is that of a server's own certificate. It is never
	// written down, and made anew when half of the time is over.
	certificateLifetime = 365 * 24 * time.Hour
)

// authority signs the certificates of servers that were given none.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	// trusted is what is to be trusted, in PEM: its own certificate first, and
	// those of earlier authorities.
	trusted []byte
}

// newAuthority makes an authority.
func newAuthority(now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("key of the authority: %w", err)
	}
	template := &x509.Certificate{
		// a name of its own each time: an old and a new one are trusted side by side
		Subject:   pkix.Name{CommonName: "tierwall server authority " + now.UTC().Format(time.DateOnly)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(authorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	raw, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("certificate of the authority: %w", err)
	}
	return &authority{certificate, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})}, nil
}

func sign(template, parent *x509.Certificate, public any, key crypto.Signer) ([]byte, error) {
	var err error
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return raw, nil
}

// issue returns a certificate for a host, a name or an address.
func (a *authority) issue(host string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("key of the server: %w", err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "tierwall server"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLifetime),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	raw, err := sign(template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, nil
}

// The keys of the secret in which the authority is kept.
const (
	authorityCertificates = "ca.crt"
	authorityKey          = "ca.key"
)

func (a *authority) data() (map[string][]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, fmt.Errorf("key of the authority: %w", err)
	}
	return map[string][]byte{
		authorityCertificates: a.trusted,
		authorityKey:          pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	}, nil
}

var errNoAuthority = errors.New("it holds no certificate and key of an authority")

// parseAuthority reads what data wrote.
func parseAuthority(data map[string][]byte) (*authority, error) {
	pair, err := tls.X509KeyPair(data[authorityCertificates], data[authorityKey])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoAuthority, err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok || !pair.Leaf.IsCA {
		return nil, errNoAuthority
	}
	return &authority{pair.Leaf, key, data[authorityCertificates]}, nil
}

// renewed returns an authority that lasts, and whether it is another one: then
// those that have not ended are trusted beside it.
func (a *authority) renewed(now time.Time) (*authority, bool, error) {
	if now.Before(a.certificate.NotAfter.Add(-authorityRenewal)) {
		return a, false, nil
	}
	next, err := newAuthority(now)
	if err != nil {
		return nil, false, err
	}
	for rest := a.trusted; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return next, true, nil
		}
		if old, err := x509.ParseCertificate(block.Bytes); err == nil && now.Before(old.NotAfter) {
			next.trusted = append(next.trusted, pem.EncodeToMemory(block)...)
		}
	}
}

// sharedAuthority returns the authority that all servers of a namespace have in
// common. The first of them makes it; it is kept in a secret.
func sharedAuthority(ctx context.Context, client kubernetes.Interface, namespace string, now time.Time) (*authority, error) {
	secrets := client.CoreV1().Secrets(namespace)
	for {
		a, again, err := func() (*authority, bool, error) {
			have, err := secrets.Get(ctx, report.ServerName, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				a, err := newAuthority(now)
				if err != nil {
					return nil, false, err
				}
				data, err := a.data()
				if err != nil {
					return nil, false, err
				}
				_, err = secrets.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: report.ServerName}, Data: data},
					metav1.CreateOptions{FieldManager: fieldManager})
				return a, apierrors.IsAlreadyExists(err), err
			}
			if err != nil {
				return nil, false, err
			}
			old, err := parseAuthority(have.Data)
			if err != nil {
				return nil, false, err
			}
			a, other, err := old.renewed(now)
			if err != nil || !other {
				return a, false, err
			}
			if have.Data, err = a.data(); err != nil {
				return nil, false, err
			}
			_, err = secrets.Update(ctx, have, metav1.UpdateOptions{FieldManager: fieldManager})
			return a, apierrors.IsConflict(err), err
		}()
		if !again {
			if err != nil {
				err = fmt.Errorf("authority of the servers, secret %s/%s: %w", namespace, report.ServerName, err)
			}
			return a, err
		}
		// another server was faster
	}
}
