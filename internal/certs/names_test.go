package certs_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"tine/internal/certs"
)

func TestOwnCertificatesAreForTheNamesOfServices(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Now()}
	names, failure, asked := []string{"DB.example.com"}, error(nil), 0
	s := open(t, certs.Config{
		Dir: t.TempDir(), Hosts: []string{"gateway.example.com"}, Clock: c.read,
		Names: func(context.Context) ([]string, error) { asked++; return names, failure },
	})
	cert := mustShake(t, s, "db.example.com", ca(t, s), c.now)
	if again := mustShake(t, s, "db.example.com", ca(t, s), c.now); !again.Equal(cert) {
		t.Error("the second handshake got another certificate")
	}
	if general := mustShake(t, s, "gateway.example.com", ca(t, s), c.now); slices.Contains(general.DNSNames, "db.example.com") {
		t.Error("everybody sees the names of all services")
	}
	for range 3 {
		if _, err := shake(t, s, "other.example.com", ca(t, s), c.now); err == nil {
			t.Fatal("a name that nobody gave has a certificate")
		}
	}
	if asked != 1 {
		t.Errorf("asked for the names %d times within a second", asked)
	}
	failure, c.now = errors.New("no answer"), c.now.Add(2*time.Second)
	mustShake(t, s, "db.example.com", ca(t, s), c.now)
	failure, names, c.now = nil, []string{"other.example.com"}, c.now.Add(2*time.Second)
	mustShake(t, s, "other.example.com", ca(t, s), c.now)
	if _, err := shake(t, s, "db.example.com", ca(t, s), c.now); err == nil {
		t.Error("a name that was taken away still has a certificate")
	}
}
