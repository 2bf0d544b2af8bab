package controlplane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The lifetimes of certificates. One that has less than a month left is issued
// anew at the next start.
const (
	caLifetime   = 10 * 365 * 24 * time.Hour
	certLifetime = 365 * 24 * time.Hour
	renewBefore  = 30 * 24 * time.Hour
)

// authority issues certificates. Its files are in dir.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// openAuthority reads the authority of a data directory, or makes one.
func openAuthority(dir string) (*authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	a := &authority{dir: dir}
	cert, key, err := readPair(dir, "ca")
	switch {
	case err == nil && time.Until(cert.NotAfter) > renewBefore:
		a.cert, a.key = cert, key
		a.pem = encodeCert(cert.Raw)
		return a, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("certificates in %s: %w (remove the folder to have them made anew)", dir, err)
	}
	template := &x509.Certificate{
		Subject:  pkix.Name{CommonName: "tierwall standalone"},
		NotAfter: time.Now().Add(caLifetime),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, BasicConstraintsValid: true, IsCA: true,
	}
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	raw, err := sign(template, template, a.key, a.key)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(raw); err != nil {
		return nil, err
	}
	a.pem = encodeCert(raw)
	return a, writePair(dir, "ca", raw, a.key)
}

// serving makes sure that dir has a server certificate for the names.
func (a *authority) serving(name string, dns []string, ips []net.IP) error {
	cert, _, err := readPair(a.dir, name)
	if err == nil && time.Until(cert.NotAfter) > renewBefore && cert.CheckSignatureFrom(a.cert) == nil &&
		slices.Equal(cert.DNSNames, dns) && slices.EqualFunc(cert.IPAddresses, ips, net.IP.Equal) {
		return nil
	}
	raw, key, err := a.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: dns, IPAddresses: ips,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return err
	}
	return writePair(a.dir, name, raw, key)
}

// client issues a certificate for a user and returns it and its key in PEM.
func (a *authority) client(user string, groups []string) (cert, key []byte, err error) {
	raw, k, err := a.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, nil, err
	}
	key, err = encodeKey(k)
	return encodeCert(raw), key, err
}

// kubeletClient is the name of the certificate with which the API server calls
// kubelets.
const kubeletClient = "kubelet-client"

// clientFiles issues a client certificate into the authority's folder.
func (a *authority) clientFiles(name, user string, groups []string) error {
	cert, key, err := a.client(user, groups)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(a.dir, name+".key"), key); err != nil {
		return err
	}
	return writeFile(filepath.Join(a.dir, name+".crt"), cert)
}

func (a *authority) issue(template *x509.Certificate) ([]byte, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template.NotAfter = time.Now().Add(certLifetime)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	raw, err := sign(template, a.cert, key, a.key)
	return raw, key, err
}

func sign(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour)
	return x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
}

// serviceAccountKey makes sure that the key that signs tokens exists.
func (a *authority) serviceAccountKey() error {
	path := filepath.Join(a.dir, "sa.key")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	b, err := encodeKey(key)
	if err != nil {
		return err
	}
	return writeFile(path, b)
}

func readPair(dir, name string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	cert, err := readPEM(filepath.Join(dir, name+".crt"))
	if err != nil {
		return nil, nil, err
	}
	key, err := readPEM(filepath.Join(dir, name+".key"))
	if err != nil {
		return nil, nil, err
	}
	c, err := x509.ParseCertificate(cert)
	if err != nil {
		return nil, nil, err
	}
	k, err := x509.ParseECPrivateKey(key)
	return c, k, err
}

func readPEM(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", path)
	}
	return block.Bytes, nil
}

func writePair(dir, name string, raw []byte, key *ecdsa.PrivateKey) error {
	k, err := encodeKey(key)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, name+".key"), k); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, name+".crt"), encodeCert(raw))
}

// writeFile replaces a file whole: a reader, or a start after a crash, sees the
// old content or the new.
func writeFile(path string, content []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func encodeCert(raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}

func encodeKey(k *ecdsa.PrivateKey) ([]byte, error) {
	b, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: b}), nil
}
