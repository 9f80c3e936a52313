package certs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tine/internal/certs"
)

// clock is a time that tests move.
type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

func open(tb testing.TB, cfg certs.Config) *certs.Source {
	tb.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	s, err := certs.Open(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// shake shakes hands and returns the certificate that the server showed.
func shake(tb testing.TB, s *certs.Source, host string, ca []byte, now time.Time) (*x509.Certificate, error) {
	tb.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		tb.Fatalf("no CA in %q", ca)
	}
	serverSide, clientSide := net.Pipe()
	defer func() { _ = serverSide.Close() }()
	go func() { _ = tls.Server(serverSide, s.Config()).HandshakeContext(context.WithoutCancel(tb.Context())) }()
	client := tls.Client(clientSide, &tls.Config{RootCAs: roots, ServerName: host, Time: func() time.Time { return now }})
	defer func() { _ = clientSide.Close() }()
	if err := client.HandshakeContext(tb.Context()); err != nil {
		return nil, err
	}
	return client.ConnectionState().PeerCertificates[0], nil
}

func mustShake(tb testing.TB, s *certs.Source, host string, ca []byte, now time.Time) *x509.Certificate {
	tb.Helper()
	cert, err := shake(tb, s, host, ca, now)
	if err != nil {
		tb.Fatalf("connect to %s: %v", host, err)
	}
	return cert
}

func ca(tb testing.TB, s *certs.Source) []byte {
	tb.Helper()
	text, err := s.CA()
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func TestOwnCertificateIsForTheHostsAndThisMachine(t *testing.T) {
	t.Parallel()
	s := open(t, certs.Config{Dir: t.TempDir(), Hosts: []string{"db.example.com", "192.0.2.7", "0.0.0.0"}})
	for _, host := range []string{"db.example.com", "192.0.2.7", "localhost", "127.0.0.1", "::1"} {
		mustShake(t, s, host, ca(t, s), time.Now())
	}
	for _, host := range []string{"example.com", "192.0.2.8", "0.0.0.0"} {
		if _, err := shake(t, s, host, ca(t, s), time.Now()); err == nil {
			t.Errorf("the certificate is for %s, too", host)
		}
	}
}

func TestAuthorityIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := ca(t, open(t, certs.Config{Dir: dir}))
	if second := ca(t, open(t, certs.Config{Dir: dir})); !bytes.Equal(first, second) {
		t.Error("the second start made another CA")
	}
	info, err := os.Stat(filepath.Join(dir, "ca.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
	file, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil || !bytes.Equal(file, first) {
		t.Errorf("ca.crt is not what is handed out: %v", err)
	}
}

// What a kill between the two files leaves, and in the middle of one.
func TestAuthorityOfAKilledStartIsCompleted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, certs.Config{Dir: dir})
	key, err := os.ReadFile(filepath.Join(dir, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.crt.tmp")); err != nil {
		t.Fatal(err)
	}
	s := open(t, certs.Config{Dir: dir})
	mustShake(t, s, "localhost", ca(t, s), time.Now())
	if again, err := os.ReadFile(filepath.Join(dir, "ca.key")); err != nil || !bytes.Equal(key, again) {
		t.Errorf("the key is another one: %v", err)
	}
}

func TestAuthorityThatDoesNotFitIsAnError(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(dir string) error{
		"no key":      func(dir string) error { return os.Remove(filepath.Join(dir, "ca.key")) },
		"empty key":   func(dir string) error { return os.WriteFile(filepath.Join(dir, "ca.key"), nil, 0o600) },
		"no PEM":      func(dir string) error { return os.WriteFile(filepath.Join(dir, "ca.crt"), []byte("x"), 0o600) },
		"another key": anotherKey,
	} {
		dir := t.TempDir()
		open(t, certs.Config{Dir: dir})
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := certs.Open(certs.Config{Dir: dir}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func anotherKey(dir string) error {
	other := filepath.Join(dir, "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		return err
	}
	if _, err := certs.Open(certs.Config{Dir: other}); err != nil {
		return err
	}
	return os.Rename(filepath.Join(other, "ca.key"), filepath.Join(dir, "ca.key"))
}

func TestOwnCertificateIsRenewedBeforeItEnds(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Now()}
	s := open(t, certs.Config{Dir: t.TempDir(), Clock: c.read})
	first := mustShake(t, s, "localhost", ca(t, s), c.now)
	c.now = c.now.Add(59 * 24 * time.Hour)
	if same := mustShake(t, s, "localhost", ca(t, s), c.now); !same.Equal(first) {
		t.Error("it is renewed too early")
	}
	c.now = c.now.Add(2 * 24 * time.Hour)
	if next := mustShake(t, s, "localhost", ca(t, s), c.now); next.Equal(first) || next.NotAfter.Before(c.now.Add(80*24*time.Hour)) {
		t.Errorf("after 61 days it ends on %s", next.NotAfter)
	}
}

// operators makes certificate files that an operator may have.
func operators(tb testing.TB, dir string) (cfg certs.Config) {
	tb.Helper()
	own := tb.TempDir()
	cert, key, err := certs.WriteForTest(own, []string{"db.example.com"})
	if err != nil {
		tb.Fatal(err)
	}
	cfg = certs.Config{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key"), CAFile: filepath.Join(dir, "ca.pem")}
	for path, content := range map[string][]byte{cfg.CertFile: cert, cfg.KeyFile: key} {
		replace(tb, path, content)
	}
	text, err := os.ReadFile(filepath.Join(own, "ca.crt"))
	if err != nil {
		tb.Fatal(err)
	}
	replace(tb, cfg.CAFile, text)
	return cfg
}

func replace(tb testing.TB, path string, content []byte) {
	tb.Helper()
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		tb.Fatal(err)
	}
}

func TestOperatorsCertificateIsReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := operators(t, dir)
	c := &clock{now: time.Now()}
	cfg.Clock = c.read
	s := open(t, cfg)
	first := mustShake(t, s, "db.example.com", ca(t, s), c.now)

	good, err := os.ReadFile(cfg.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(time.Minute)
	replace(t, cfg.KeyFile, []byte("broken"))
	if same := mustShake(t, s, "db.example.com", ca(t, s), c.now); !same.Equal(first) {
		t.Error("a broken pair took the old one's place")
	}
	c.now = c.now.Add(time.Minute)
	replace(t, cfg.KeyFile, good)
	mustShake(t, s, "db.example.com", ca(t, s), c.now)

	operators(t, dir)
	c.now = c.now.Add(time.Minute)
	if next := mustShake(t, s, "db.example.com", ca(t, s), c.now); next.Equal(first) {
		t.Error("the new certificate is not shown")
	}
}

func TestOperatorsMistakesAreSaid(t *testing.T) {
	t.Parallel()
	cfg := operators(t, t.TempDir())
	for name, spoil := range map[string]func(c *certs.Config){
		"no key":          func(c *certs.Config) { c.KeyFile = "" },
		"no certificate":  func(c *certs.Config) { c.CertFile = "" },
		"no such file":    func(c *certs.Config) { c.CertFile += ".x" },
		"swapped":         func(c *certs.Config) { c.CertFile, c.KeyFile = c.KeyFile, c.CertFile },
		"no such CA":      func(c *certs.Config) { c.CAFile += ".x" },
		"CA without cert": func(c *certs.Config) { c.CAFile = c.KeyFile },
	} {
		wrong := cfg
		spoil(&wrong)
		if _, err := certs.Open(wrong); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	cfg.CAFile = ""
	if text := ca(t, open(t, cfg)); text != nil {
		t.Errorf("the CA is %q", text)
	}
}

func TestOldVersionsOfTLSAreRefused(t *testing.T) {
	t.Parallel()
	s := open(t, certs.Config{Dir: t.TempDir()})
	if s.Config().MinVersion != tls.VersionTLS12 {
		t.Error("TLS 1.1 is spoken")
	}
}
