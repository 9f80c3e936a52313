package main

import (
	"encoding/pem"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCAIsPrintedAsClientsReadIt(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	if got := tine(t, a.URL, "cluster", "ca", "shop"); got.code != exitNotFound || got.stderr == "" {
		t.Errorf("without a CA: exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
	a.tls = true
	if got := tine(t, a.URL, "cluster", "ca", "shop"); got.code != exitOK || got.stdout != shopCA {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
	if got := tine(t, a.URL, "cluster", "ca", "shop", "-o", "json"); got.code != exitOK || decode(t, got.stdout)["certificate"] == "" {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
}

func TestPrintedURILeadsToTheCA(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	a := newAPI(t)
	a.tls = true
	got := tine(t, a.URL, "cluster", "connect", "shop", "--print")
	uri, err := url.Parse(strings.TrimSpace(strings.Replace(got.stdout, ":<password>", "", 1)))
	if err != nil || got.code != exitOK {
		t.Fatalf("exit code %d, %v, output\n%s%s", got.code, err, got.stdout, got.stderr)
	}
	text, err := os.ReadFile(uri.Query().Get("tlsCAFile"))
	if err != nil || string(text) != shopCA {
		t.Errorf("the URI %s leads to %q, %v", uri, text, err)
	}
}

func TestHTTPSNeedsACATrusted(t *testing.T) {
	t.Parallel()
	a := newUnstartedAPI(t)
	a.StartTLS()
	if got := tine(t, a.URL, "cluster", "list", "--data-dir", t.TempDir()); got.code != exitUnreachable || !strings.Contains(got.stderr, "certificate") {
		t.Errorf("without the CA: exit code %d, %s", got.code, got.stderr)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "ca.crt")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flag := range [][]string{{"--api-ca", file}, {"--data-dir", dir}} {
		if got := tine(t, a.URL, append([]string{"cluster", "list"}, flag...)...); got.code != exitOK {
			t.Errorf("with %v: exit code %d, %s", flag, got.code, got.stderr)
		}
	}
	for _, wrong := range []string{filepath.Join(dir, "none"), dir} {
		if got := tine(t, a.URL, "cluster", "list", "--api-ca", wrong); got.code != exitUsage {
			t.Errorf("with --api-ca %s: exit code %d, %s", wrong, got.code, got.stderr)
		}
	}
}
