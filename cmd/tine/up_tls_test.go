package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// parseUp reads the settings of tine up from a command line and a configuration file.
func parseUp(t *testing.T, file string, args ...string) (upOptions, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	opts := defaultUpOptions()
	flags := upFlags(&opts)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return mergeConfigFile(flags, opts, path)
}

func TestWhoSpeaksTLS(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file, args          string
		api, plaintext, uri bool
	}{
		"loopback":               {"{}", "", false, true, false},
		"no plain text":          {"gateway_plaintext: false", "", false, false, true},
		"clusters on a network":  {"gateway_host: db.example.com", "", false, false, true},
		"plain text beside it":   {"gateway_host: db.example.com", "--gateway-plaintext", false, true, true},
		"API on a network":       {"{}", "--listen 192.0.2.7:80", true, true, false},
		"API on all addresses":   {"{}", "--listen :80", true, true, false},
		"API on loopback by TLS": {"{}", "--listen localhost:80 --listen-tls", true, true, false},
		"IPv6":                   {"gateway_host: ::1", "--listen [::1]:80", false, true, false},
		"flags win":              {"gateway_plaintext: true\nlisten_tls: true", "--gateway-plaintext=false --listen-tls=false", false, false, true},
	} {
		o, err := parseUp(t, test.file, strings.Fields(test.args)...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if o.listenTLS() != test.api || o.plaintext() != test.plaintext || o.clustersNeedTLS() != test.uri {
			t.Errorf("%s: TLS of the API %t, plain text %t, TLS in connection strings %t", name, o.listenTLS(), o.plaintext(), o.clustersNeedTLS())
		}
	}
}

func TestTokensAreNotSentInTheClear(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"192.0.2.7:80", ":80", "0.0.0.0:80"} {
		if _, err := parseUp(t, "listen_tls: false", "--listen", listen); err == nil {
			t.Errorf("%s without TLS is no error", listen)
		}
	}
}

func TestCertificateSettings(t *testing.T) {
	t.Parallel()
	o, err := parseUp(t, "tls: {cert: /c, key: /k, ca: /a, hosts: [db.example.com]}", "--tls-cert", "/d")
	if err != nil || o.TLS.Cert != "/d" || o.TLS.Key != "/k" || o.TLS.CA != "/a" || len(o.TLS.Hosts) != 1 {
		t.Errorf("the settings are %+v, %v", o.TLS, err)
	}
}
