package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookInterval is the least time between two looks for a newer certificate.
const lookInterval = time.Second

// Config says whose certificate is shown.
type Config struct {
	// CertFile and KeyFile are the operator's, in PEM form, the certificate with its chain. Empty means one of our own.
	CertFile, KeyFile string
	// CAFile is what clients of the operator's certificate have to trust; empty if they trust it anyway.
	CAFile string
	// Dir is where our own CA is kept, Hosts the names and addresses that its certificates are for.
	Dir   string
	Hosts []string
	// Names returns more names that our own certificates may be for: whoever asks for one of them is shown a certificate for it. What is not
	// a name of this machine stays out of the certificate that everybody sees. It is called at most once a second. Default: none.
	Names func(context.Context) ([]string, error)

	Log   *slog.Logger
	Clock func() time.Time // default: the system's
}

// Source has the certificate. Its methods may be called from any number of goroutines.
type Source struct {
	cfg       Config
	authority *authority // nil if the operator has a certificate
	named     named

	mu struct {
		sync.Mutex
		current *tls.Certificate
		looked  time.Time
		stamp   stamp // of the operator's files when they were last read
	}
}

// Open reads or makes what is needed; it fails if there is no certificate that can be shown.
func Open(cfg Config) (*Source, error) {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	s := &Source{cfg: cfg}
	if cfg.CertFile != "" || cfg.KeyFile != "" {
		return s, s.openOperators()
	}
	var err error
	if s.authority, err = openAuthority(cfg.Dir, cfg.Clock()); err != nil {
		return nil, err
	}
	s.mu.current, err = s.authority.issue(cfg.Hosts, cfg.Clock())
	return s, err
}

func (s *Source) openOperators() (err error) {
	if s.cfg.CertFile == "" || s.cfg.KeyFile == "" {
		return errors.New("a TLS certificate needs its key, and a key its certificate; one of the two is missing")
	}
	if s.mu.stamp, err = s.stampNow(); err != nil {
		return err
	}
	if s.mu.current, err = s.readOperators(); err != nil {
		return err
	}
	_, err = s.CA()
	return err
}

// Config is how a server speaks TLS with this certificate.
func (s *Source) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if cert := s.certificateFor(hello.Context(), hello.ServerName); cert != nil {
				return cert, nil
			}
			return s.certificate(), nil
		},
		// A ticket saves a client little that stays connected, and costs a write and memory for each that does.
		SessionTicketsDisabled: true,
		// Records of full size at once: most of what is sent is larger than the few bytes that this would deliver sooner.
		DynamicRecordSizingDisabled: true,
	}
}

// CA returns what clients have to trust, in PEM form; nil if the operator's certificate is one that they trust anyway.
func (s *Source) CA() ([]byte, error) {
	if s.authority != nil {
		return s.authority.pem, nil
	}
	if s.cfg.CAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(s.cfg.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read tls.ca: %w", err)
	}
	if _, err := firstCertificate(text); err != nil {
		return nil, fmt.Errorf("read tls.ca %s: %w", s.cfg.CAFile, err)
	}
	return text, nil
}

// certificate is the one to show now.
func (s *Source) certificate() *tls.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Clock()
	if since := now.Sub(s.mu.looked); since >= 0 && since < lookInterval {
		return s.mu.current
	}
	s.mu.looked = now
	if err := s.renewLocked(now); err != nil {
		s.cfg.Log.Error("TLS certificate could not be renewed; the old one stays", slog.Any("error", err))
	}
	return s.mu.current
}

func (s *Source) renewLocked(now time.Time) error {
	if s.authority != nil {
		return s.reissueLocked(now)
	}
	next, err := s.stampNow()
	if err != nil || next == s.mu.stamp {
		return err
	}
	s.mu.stamp = next // a pair that is broken is complained of once
	cert, err := s.readOperators()
	if err != nil {
		return err
	}
	s.mu.current = cert
	s.cfg.Log.Info("TLS certificate read again", slog.Time("not_after", cert.Leaf.NotAfter))
	return nil
}

// reissueLocked makes a new certificate when a third of the old one's life is left.
func (s *Source) reissueLocked(now time.Time) error {
	if !ending(s.mu.current, now) {
		return nil
	}
	cert, err := s.authority.issue(s.cfg.Hosts, now)
	if err != nil {
		return err
	}
	s.mu.current = cert
	return nil
}

// ending says whether a third of a certificate's life is left, or less.
func ending(cert *tls.Certificate, now time.Time) bool {
	const left = serverLife / 3
	return !now.Before(cert.Leaf.NotAfter.Add(-left))
}

// readOperators reads the operator's certificate; it must fit its key.
func (s *Source) readOperators() (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(s.cfg.CertFile, s.cfg.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read TLS certificate %s: %w", s.cfg.CertFile, err)
	}
	if cert.Leaf == nil {
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return nil, fmt.Errorf("read TLS certificate %s: %w", s.cfg.CertFile, err)
		}
	}
	return &cert, nil
}

// stamp tells versions of the operator's files apart.
type stamp struct {
	cert, key         time.Time
	certSize, keySize int64
}

func (s *Source) stampNow() (stamp, error) {
	cert, err := os.Stat(s.cfg.CertFile)
	if err != nil {
		return stamp{}, fmt.Errorf("read TLS certificate: %w", err)
	}
	key, err := os.Stat(s.cfg.KeyFile)
	if err != nil {
		return stamp{}, fmt.Errorf("read TLS key: %w", err)
	}
	return stamp{cert.ModTime(), key.ModTime(), cert.Size(), key.Size()}, nil
}
