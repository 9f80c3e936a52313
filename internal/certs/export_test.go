package certs

import (
	"crypto/x509"
	"encoding/pem"
	"time"
)

// WriteForTest makes a CA in dir and returns a certificate of it and its key, in PEM form.
func WriteForTest(dir string, hosts []string) (cert, key []byte, err error) {
	a, err := openAuthority(dir, time.Now())
	if err != nil {
		return nil, nil, err
	}
	c, err := a.issue(hosts, time.Now())
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
