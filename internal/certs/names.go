package certs

import (
	"context"
	"crypto/tls"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// askPatience is how long a client waits for the names that may have a certificate. Without an answer the names of before count.
const askPatience = time.Second

// named are the certificates for names that clients ask for, beside the one for this machine. It has a lock of its own: who asks for this machine's
// certificate never waits for it.
type named struct {
	sync.Mutex
	known  map[string]bool
	asked  time.Time // when known was last read
	issued map[string]*tls.Certificate
}

// certificateFor returns a certificate of our own for a known name, or nil.
func (s *Source) certificateFor(ctx context.Context, name string) *tls.Certificate {
	if s.authority == nil || s.cfg.Names == nil || name == "" {
		return nil
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if s.certificate().Leaf.VerifyHostname(name) == nil {
		return nil
	}
	s.named.Lock()
	defer s.named.Unlock()
	if !s.knownLocked(ctx, name) {
		return nil
	}
	now := s.cfg.Clock()
	cert := s.named.issued[name]
	if cert != nil && !ending(cert, now) {
		return cert
	}
	cert, err := s.authority.issue(append([]string{name}, s.cfg.Hosts...), now)
	if err != nil {
		s.cfg.Log.ErrorContext(ctx, "TLS certificate for a name could not be made", slog.Any("error", err))
		return nil
	}
	s.named.issued[name] = cert
	return cert
}

// knownLocked says whether a name may have a certificate. What clients ask for costs a question a second, however much they ask.
func (s *Source) knownLocked(ctx context.Context, name string) bool {
	n := &s.named
	now := s.cfg.Clock()
	if since := now.Sub(n.asked); since >= 0 && since < lookInterval {
		return n.known[name]
	}
	n.asked = now
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	names, err := s.cfg.Names(ctx)
	if err != nil {
		s.cfg.Log.ErrorContext(ctx, "names for TLS certificates could not be read; the old ones stay", slog.Any("error", err))
		return n.known[name]
	}
	n.known = make(map[string]bool, len(names))
	issued := make(map[string]*tls.Certificate)
	for _, known := range names {
		known = strings.ToLower(known)
		n.known[known] = true
		if cert := n.issued[known]; cert != nil {
			issued[known] = cert
		}
	}
	n.issued = issued
	return n.known[name]
}
