package clients

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// networkAddress is an IPv4 address of this machine at which a client does not come from loopback.
func networkAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	fatal(t, "look for addresses", err)
	for _, a := range all {
		if block, ok := a.(*net.IPNet); ok && block.IP.To4() != nil && !block.IP.IsLoopback() {
			return block.IP.String()
		}
	}
	t.Fatal("the test needs an IPv4 address beside loopback, such as: ip address add 198.51.100.1/32 dev lo")
	return ""
}

// dial connects to a cluster without saying anything.
func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", address)
	fatal(t, "connect", err)
	t.Cleanup(func() { _ = c.Close() })
	const patience = time.Minute
	fatal(t, "set deadline", c.SetDeadline(time.Now().Add(patience)))
	return c
}

// wantSilence fails unless the server closes a connection without a byte.
func wantSilence(t *testing.T, why string, c net.Conn) {
	t.Helper()
	n, err := c.Read(make([]byte, 1))
	if n != 0 || !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%s: read %d bytes, %v; want a closed connection", why, n, err)
	}
}

// hello is a first message in plain text.
func hello(t *testing.T) []byte {
	t.Helper()
	doc, err := bson.Marshal(bson.D{{Key: "hello", Value: 1}, {Key: "$db", Value: "admin"}})
	fatal(t, "make hello", err)
	const header, flagsAndKind, opMsg = 16, 5, 2013
	message := make([]byte, header+flagsAndKind, header+flagsAndKind+len(doc))
	message[0], message[4] = byte(cap(message)), 1
	message[12], message[13] = opMsg&0xff, opMsg>>8
	return append(message, doc...)
}

// trusting is how a client trusts a CA that it has in a file.
func trusting(t *testing.T, caFile string) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(caFile)
	fatal(t, "read CA", err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatalf("%s has no certificate", caFile)
	}
	return &tls.Config{RootCAs: roots}
}

// shown is the certificate that a cluster shows to a client who trusts a CA, and the connection.
func shown(t *testing.T, address, caFile string) (*x509.Certificate, *tls.Conn) {
	t.Helper()
	trust := trusting(t, caFile)
	trust.ServerName, _, _ = net.SplitHostPort(address)
	c := tls.Client(dial(t, address), trust)
	fatal(t, "shake hands", c.HandshakeContext(t.Context()))
	return c.ConnectionState().PeerCertificates[0], c
}

// operator is somebody with a CA and certificates of his own.
type operator struct {
	dir  string
	ca   *x509.Certificate
	key  *ecdsa.PrivateKey
	last int64
}

func newOperator(t *testing.T) *operator {
	t.Helper()
	o := &operator{dir: t.TempDir()}
	var err error
	o.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fatal(t, "make key", err)
	o.ca = &x509.Certificate{Subject: pkix.Name{CommonName: "Operator"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	o.ca = o.sign(t, o.ca, o.ca, &o.key.PublicKey)
	o.write(t, "ca.crt", "CERTIFICATE", o.ca.Raw)
	return o
}

func (o *operator) path(name string) string { return filepath.Join(o.dir, name) }

func (o *operator) sign(t *testing.T, template, parent *x509.Certificate, key *ecdsa.PublicKey) *x509.Certificate {
	t.Helper()
	o.last++
	template.SerialNumber = big.NewInt(o.last)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, o.key)
	fatal(t, "make certificate", err)
	cert, err := x509.ParseCertificate(der)
	fatal(t, "read certificate", err)
	return cert
}

// write replaces a file as an operator should.
func (o *operator) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	fatal(t, "write "+name, os.WriteFile(o.path(name+".new"), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	fatal(t, "write "+name, os.Rename(o.path(name+".new"), o.path(name)))
}

// issue writes a new certificate for an address, and its key, to the same files as the last.
func (o *operator) issue(t *testing.T, address string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fatal(t, "make key", err)
	cert := o.sign(t, &x509.Certificate{
		IPAddresses: []net.IP{net.ParseIP(address)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, o.ca, &key.PublicKey)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	fatal(t, "encode key", err)
	o.write(t, "tls.key", "PRIVATE KEY", der)
	o.write(t, "tls.crt", "CERTIFICATE", cert.Raw)
	return cert
}

// eventually repeats a look until it succeeds.
func eventually(t *testing.T, what string, look func() bool) {
	t.Helper()
	const patience, interval = time.Minute, 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !look() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s did not happen in %s", what, patience)
		case <-time.After(interval):
		}
	}
}
