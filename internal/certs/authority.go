package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
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
	"time"
)

const (
	keyName  = "ca.key"
	certName = "ca.crt"

	// authorityLife is how long a CA lives. Clients keep its certificate for good.
	authorityLife = 20 * 365 * 24 * time.Hour
	// serverLife is how long a server certificate lives; it is replaced when a third is left.
	serverLife = 90 * 24 * time.Hour
	// skew is how far a client's clock may be behind.
	skew = time.Hour
)

// authority is our own CA.
type authority struct {
	cert *x509.Certificate
	pem  []byte
	key  *ecdsa.PrivateKey
}

// openAuthority reads the CA in dir, or makes it.
func openAuthority(dir string, now time.Time) (*authority, error) {
	key, err := readKey(filepath.Join(dir, keyName))
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, err
	}
	path := filepath.Join(dir, certName)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return makeAuthority(dir, key, now)
	case err != nil:
		return nil, fmt.Errorf("read CA: %w", err)
	case missing:
		return nil, fmt.Errorf("read CA: %s is there, but the key %s is not; put it back, or remove both to make another CA", path, keyName)
	}
	cert, err := firstCertificate(text)
	if err != nil {
		return nil, fmt.Errorf("read CA %s: %w", path, err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("read CA: %s does not belong to the key %s; put the right one back, or remove both to make another CA", path, keyName)
	}
	if now.After(cert.NotAfter) {
		return nil, fmt.Errorf("read CA: %s ended on %s; remove it and %s to make another CA", path, cert.NotAfter.Format(time.DateOnly), keyName)
	}
	return &authority{cert: cert, pem: text, key: key}, nil
}

// makeAuthority makes what is missing: the certificate, and its key if that is nil.
func makeAuthority(dir string, key *ecdsa.PrivateKey, now time.Time) (*authority, error) {
	if key == nil {
		var err error
		if key, err = newKey(); err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("make CA: %w", err)
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		if err := writeFile(filepath.Join(dir, keyName), text, 0o600); err != nil {
			return nil, fmt.Errorf("make CA: %w", err)
		}
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "Tine CA " + serial.Text(36)[:8]}, // a name of its own: some clients find CAs by name
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := writeFile(filepath.Join(dir, certName), text, 0o644); err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	return &authority{cert: cert, pem: text, key: key}, nil
}

// issue makes a server certificate for the hosts, names or addresses, and for this machine's own.
func (a *authority) issue(hosts []string, now time.Time) (*tls.Certificate, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	end := now.Add(serverLife)
	if end.After(a.cert.NotAfter) {
		end = a.cert.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "Tine"},
		NotBefore:    now.Add(-skew),
		NotAfter:     end,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	addHosts(template, append(hosts, "localhost", "127.0.0.1", "::1"))
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("issue server certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("issue server certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// addHosts puts each host once where clients look for it. "Any address" is none that a client connects to.
func addHosts(template *x509.Certificate, hosts []string) {
	seen := map[string]bool{}
	for _, host := range hosts {
		if seen[host] || host == "" {
			continue
		}
		seen[host] = true
		ip := net.ParseIP(host)
		switch {
		case ip == nil:
			template.DNSNames = append(template.DNSNames, host)
		case !ip.IsUnspecified():
			template.IPAddresses = append(template.IPAddresses, ip)
		}
	}
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return key, nil
}

func newSerial() (*big.Int, error) {
	const bits = 127
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), bits))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	return n.SetBit(n, bits-1, 1), nil
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read CA: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("read CA: %s has no PEM block", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read CA: %s: %w", path, err)
	}
	ours, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read CA: %s is not an ECDSA key", path)
	}
	return ours, nil
}

func firstCertificate(text []byte) (*x509.Certificate, error) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return nil, errors.New("it has no certificate in PEM form")
		}
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
		text = rest
	}
}

// writeFile writes a file whole or not at all, for good.
func writeFile(path string, content []byte, mode fs.FileMode) (err error) {
	tmp := path + ".tmp"
	_ = os.Remove(tmp) // of a start that was killed; with its mode
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
