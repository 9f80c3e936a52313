//go:build doclients

package doclients

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tine/e2e/harness"
	"tine/internal/contract"
)

// shared is the Tine of all tests. It serves by TLS, as it would on a network.
var shared *harness.Tine

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, &shared, harness.Options{Transport: contract.Wrap, Config: "listen_tls: true\n"}, nil))
}

// inspected is the address of a server, in plain HTTP, that passes everything on to Tine and fails the test if an answer is not as
// /openapi.yaml has it.
func inspected(t *testing.T) string {
	t.Helper()
	target, err := url.Parse(shared.URL)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(authority())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	wrong := &notes{}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: contract.Wrap(transport),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			wrong.add(err.Error())
			// A client does not repeat what gets this.
			http.Error(w, err.Error(), http.StatusTeapot)
		},
	})
	t.Cleanup(func() {
		proxy.Close()
		transport.CloseIdleConnections()
		for _, text := range wrong.list {
			t.Errorf("a request through the proxy failed: %s", text)
		}
	})
	return proxy.URL
}

// notes are what goroutines have to say.
type notes struct {
	mu   sync.Mutex
	list []string
}

func (n *notes) add(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, text)
}

// authority is the file with the CA of Tine's certificate.
func authority() string { return filepath.Join(shared.DataDir(), "ca.crt") }

func token(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shared.DataDir(), "admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// client is one of the programs that scripts/doclients.sh builds, with a home of its own.
func client(t *testing.T, home, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is missing, run scripts/doclients.sh: %v", name, err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, args...) // cleaning up needs it, too
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "DIGITALOCEAN_ACCESS_TOKEN="+token(t), "DIGITALOCEAN_TOKEN="+token(t))
	cmd.WaitDelay = time.Minute
	return cmd
}
