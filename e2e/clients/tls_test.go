package clients

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/e2e/harness"
	"tine/internal/contract"
)

// secure is a Tine whose cluster is reached over a network.
type secure struct {
	tine    *harness.Tine
	cluster *godo.Database
	host    string // where the cluster is reached
	address string // with the port
	local   string // where it is reached at loopback
	caFile  string // as the API handed it out
}

// onNetwork is a configuration whose clusters are reached at an address that is not loopback, and at loopback, too.
func onNetwork(host, more string) string {
	return fmt.Sprintf("gateway_host: %s\ngateway_listen: 0.0.0.0\n%s\n", host, more)
}

func newSecure(t *testing.T, config string) *secure {
	t.Helper()
	s := &secure{host: networkAddress(t), caFile: filepath.Join(t.TempDir(), "ca.crt")}
	var err error
	s.tine, err = harness.New(harness.Options{Config: onNetwork(s.host, config), Transport: contract.Wrap})
	fatal(t, "prepare Tine", err)
	t.Cleanup(func() {
		if err := s.tine.Destroy(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	fatal(t, "start Tine", s.tine.Start(t.Context()))
	s.cluster, err = s.tine.Make(t.Context(), harness.CreateRequest("secure"))
	fatal(t, "make cluster", err)
	port := strconv.Itoa(s.cluster.Connection.Port)
	s.address, s.local = net.JoinHostPort(s.host, port), net.JoinHostPort("127.0.0.1", port)
	ca, _, err := s.tine.API.Databases.GetCA(t.Context(), s.cluster.ID)
	fatal(t, "get CA", err)
	fatal(t, "write CA", os.WriteFile(s.caFile, ca.Certificate, 0o600))
	return s
}

// uri is the cluster's connection string with the CA.
func (s *secure) uri() string {
	return s.cluster.Connection.URI + "&" + url.Values{"tlsCAFile": {s.caFile}}.Encode()
}

// run runs Tine's command line as a person on this machine does, with mongosh in the path.
func (s *secure) run(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	bin, err := filepath.Abs("node/node_modules/.bin")
	fatal(t, "find mongosh", err)
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), s.tine.Binary, args...)
	cmd.Env = append(os.Environ(), "TINE_API="+s.tine.URL, "TINE_DATA_DIR="+s.tine.DataDir(), "TINE_PASSWORD="+s.cluster.Connection.Password,
		"PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "HOME="+home, "XDG_CACHE_HOME="+home)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *secure) trust(t *testing.T, values ...string) {
	t.Helper()
	rules := []*godo.DatabaseFirewallRule{}
	for _, value := range values {
		rules = append(rules, &godo.DatabaseFirewallRule{Type: "ip_addr", Value: value})
	}
	_, err := s.tine.API.Databases.UpdateFirewallRules(t.Context(), s.cluster.ID, &godo.DatabaseUpdateFirewallRulesRequest{Rules: rules})
	fatal(t, "set trusted sources", err)
}

// answers reports whether a client with the CA gets an answer.
func (s *secure) answers(t *testing.T, uri string) error {
	t.Helper()
	opts := options.Client().SetServerSelectionTimeout(2 * time.Second)
	return connect(t, uri, opts).Database("admin").RunCommand(t.Context(), bson.D{{Key: "ping", Value: 1}}).Err()
}

func TestTLSWithTinesOwnCA(t *testing.T) {
	t.Parallel()
	needNodeModules(t)
	s := newSecure(t, "listen_tls: true\ngateway_plaintext: true")

	t.Run("the connection asks for TLS and the CA is Tine's", func(t *testing.T) {
		text, err := os.ReadFile(s.caFile)
		fatal(t, "read CA", err)
		own, err := os.ReadFile(filepath.Join(s.tine.DataDir(), "ca.crt"))
		fatal(t, "read CA", err)
		if c := s.cluster.Connection; !c.SSL || !strings.Contains(c.URI, "tls=true") || string(text) != string(own) {
			t.Errorf("the connection is %+v, the CA\n%s", c, text)
		}
		if !strings.HasPrefix(s.tine.URL, "https://") {
			t.Errorf("the API is at %s", s.tine.URL)
		}
	})
	t.Run("Go driver", func(t *testing.T) {
		c := connect(t, s.uri()).Database("d").Collection("c")
		_, err := c.InsertOne(t.Context(), bson.D{{Key: "s", Value: strings.Repeat("tine", 1_000_000)}})
		fatal(t, "insert", err)
		if n, err := c.CountDocuments(t.Context(), bson.D{}); n != 1 || err != nil {
			t.Errorf("there are %d documents, %v", n, err)
		}
		if err := s.answers(t, s.cluster.Connection.URI); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("without the CA: %v", err)
		}
	})
	t.Run("Node.js driver", func(t *testing.T) {
		runScript(t, s.uri(), node, "--test-reporter=spec", "node/stable.test.mjs")
	})
	t.Run("PyMongo", func(t *testing.T) {
		runScript(t, s.uri(), python, "-B", "-m", "unittest", "-v", "python/test_compression.py")
	})
	t.Run("mongosh", func(t *testing.T) {
		runScript(t, s.cluster.Connection.URI, "node/node_modules/.bin/mongosh", s.cluster.Connection.URI, "--tlsCAFile", s.caFile,
			"--quiet", "--file", "mongosh/assert.js", "--file", "mongosh/daily.test.js")
	})
	t.Run("tine cluster connect", func(t *testing.T) {
		out, err := s.run(t, "print('the sum is ' + (40 + db.adminCommand({ping: 1}).ok + 1))\nexit\n", "cluster", "connect", "secure")
		if err != nil || !strings.Contains(out, "the sum is 42") {
			t.Errorf("%v\n%s", err, out)
		}
		out, err = s.run(t, "", "cluster", "ca", "secure")
		if err != nil || !strings.HasPrefix(out, "-----BEGIN CERTIFICATE-----\n") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("plain text", func(t *testing.T) {
		c := dial(t, s.address)
		_, err := c.Write(hello(t))
		fatal(t, "say hello", err)
		wantSilence(t, "plain text from the network", c)

		local := "mongodb://doadmin:" + s.cluster.Connection.Password + "@" + s.local + "/admin?directConnection=true"
		fatal(t, "plain text at loopback while it is allowed", s.answers(t, local))
		fatal(t, "stop", s.tine.Stop(t.Context()))
		fatal(t, "configure", s.tine.Configure(onNetwork(s.host, "gateway_plaintext: false")))
		fatal(t, "start", s.tine.Start(t.Context()))
		if err := s.answers(t, local); err == nil || !strings.Contains(err.Error(), "requires TLS") {
			t.Errorf("plain text at loopback when it is not allowed: %v", err)
		}
		fatal(t, "TLS after the restart, with the same CA", s.answers(t, s.uri()))
	})
}

func TestTrustedSourcesOfACluster(t *testing.T) {
	t.Parallel()
	s := newSecure(t, "")
	c := connect(t, s.uri()).Database("d").Collection("c")
	_, err := c.InsertOne(t.Context(), bson.D{})
	fatal(t, "insert", err)

	_, open := shown(t, s.address, s.caFile)
	s.trust(t, "203.0.113.0/24", "127.0.0.1")
	if n, err := open.Read(make([]byte, 1)); n != 0 || err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("a connection that is no longer trusted: %d bytes, %v", n, err)
	}
	wantSilence(t, "a source that is not trusted", dial(t, s.address))
	fork, err := s.tine.Make(t.Context(), harness.ForkRequest("secure", "fork", time.Time{}))
	fatal(t, "fork", err)
	wantSilence(t, "a source that the fork's source does not trust", dial(t, net.JoinHostPort(s.host, strconv.Itoa(fork.Connection.Port))))

	fatal(t, "kill", s.tine.Kill(t.Context()))
	fatal(t, "start", s.tine.Start(t.Context()))
	wantSilence(t, "a source that was not trusted before the restart", dial(t, s.address))
	_, local := shown(t, s.local, s.caFile)
	s.trust(t, "127.0.0.0/8", s.host)
	eventually(t, "an answer to a source that is trusted now", func() bool { return s.answers(t, s.uri()) == nil })
	if n, err := c.CountDocuments(t.Context(), bson.D{}); n != 1 || err != nil {
		t.Errorf("the driver that was shut out finds %d documents, %v", n, err)
	}
	wantOpen(t, local)
	s.trust(t)
	fatal(t, "connect when all are trusted", s.answers(t, s.uri()))
}

// wantOpen fails unless a connection that has said nothing yet is still served.
func wantOpen(t *testing.T, c net.Conn) {
	t.Helper()
	_, err := c.Write(hello(t))
	fatal(t, "say hello", err)
	if n, err := c.Read(make([]byte, 16)); n == 0 || err != nil {
		t.Errorf("an open connection reads %d bytes, %v", n, err)
	}
}

func TestCertificateIsReplacedWhileRunning(t *testing.T) {
	t.Parallel()
	o, host := newOperator(t), networkAddress(t)
	first := o.issue(t, host)
	s := newSecure(t, fmt.Sprintf("tls: {cert: %s, key: %s, ca: %s}", o.path("tls.crt"), o.path("tls.key"), o.path("ca.crt")))
	client := connect(t, s.uri()).Database("admin")
	fatal(t, "ping", client.RunCommand(t.Context(), bson.D{{Key: "ping", Value: 1}}).Err())
	before, open := shown(t, s.address, o.path("ca.crt"))
	if !before.Equal(first) {
		t.Errorf("the certificate shown has the number %s", before.SerialNumber)
	}
	if _, err := os.Stat(filepath.Join(s.tine.DataDir(), "ca.key")); !os.IsNotExist(err) {
		t.Errorf("there is a CA that nobody needs: %v", err)
	}
	second := o.issue(t, host)
	eventually(t, "the new certificate", func() bool {
		now, c := shown(t, s.address, o.path("ca.crt"))
		_ = c.Close()
		return now.Equal(second)
	})
	wantOpen(t, open)
	fatal(t, "ping", client.RunCommand(t.Context(), bson.D{{Key: "ping", Value: 1}}).Err())
}
