package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/digitalocean/godo"
	"github.com/spf13/cobra"
	"golang.org/x/oauth2"
)

// requestTimeout is for one request. The API answers in milliseconds and does its long work afterwards.
const requestTimeout = 30 * time.Second

// clientOptions are the flags of all commands that speak to the API.
type clientOptions struct {
	api, apiCA, token, tokenFile, dataDir, output string
}

// addClientFlags gives cmd and its children the flags of a client.
func addClientFlags(cmd *cobra.Command) *clientOptions {
	o := &clientOptions{}
	f := cmd.PersistentFlags()
	f.StringVar(&o.api, "api", "http://127.0.0.1:8080", "`URL` of the API")
	f.StringVar(&o.apiCA, "api-ca", "", "`file` with the CA to trust for an https API, beside the system's (default DATA/ca.crt, if it is there)")
	f.StringVar(&o.token, "token", "", "the API `token`; better given by its variable, because others can see command lines")
	f.StringVar(&o.tokenFile, "token-file", "", "`file` that holds the token (default DATA/admin-token)")
	f.StringVar(&o.dataDir, "data-dir", "/var/lib/tine", "where Tine keeps the admin token, on its own machine")
	f.StringVarP(&o.output, "output", "o", formatTable, "table, or json for the API's objects")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{formatTable, formatJSON}, cobra.ShellCompDirectiveNoFileComp))
	return o
}

// client speaks to the API. It never repeats a request: what to do about a failure is the user's decision.
type client struct{ godo *godo.Client }

// client returns a client for the flags, or says which of them is missing or wrong.
func (o *clientOptions) client() (*client, error) {
	if o.output != formatTable && o.output != formatJSON {
		return nil, &usageError{fmt.Sprintf("--output must be table or json; got %q", o.output)}
	}
	base, err := url.Parse(o.api)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, &usageError{fmt.Sprintf("--api must be a URL like http://127.0.0.1:8080; got %q", o.api)}
	}
	secret, err := o.secret()
	if err != nil {
		return nil, err
	}
	trusting, err := o.trusting()
	if err != nil {
		return nil, err
	}
	transport := &oauth2.Transport{Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: secret}), Base: trusting}
	g, err := godo.New(&http.Client{Transport: transport, Timeout: requestTimeout}, godo.SetBaseURL(o.api), godo.SetUserAgent("tine"))
	if err != nil {
		return nil, fmt.Errorf("prepare client: %w", err)
	}
	return &client{g}, nil
}

// trusting is how the API is reached: whoever is shown its CA trusts it, and what the system trusts.
func (o *clientOptions) trusting() (http.RoundTripper, error) {
	path := o.apiCA
	if path == "" {
		path = filepath.Join(o.dataDir, "ca.crt")
	}
	text, err := os.ReadFile(path)
	if err != nil && o.apiCA == "" {
		return http.DefaultTransport, nil
	}
	if err != nil {
		return nil, &usageError{"--api-ca must be a file with a certificate: " + err.Error()}
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, &usageError{"--api-ca must be a file with a certificate in PEM form; " + path + " has none"}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:errcheck // the library says so
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return transport, nil
}

// secret returns the token: the flag's, or that of the file.
func (o *clientOptions) secret() (string, error) {
	if o.token != "" {
		return o.token, nil
	}
	path := o.tokenFile
	if path == "" {
		path = filepath.Join(o.dataDir, "admin-token")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		if cause, ok := errors.AsType[*os.PathError](err); ok {
			err = cause.Err // the sentence names the path already
		}
		return "", fmt.Errorf("%w: set TINE_TOKEN, or --token-file to a file that you can read (%s: %w)", errUnauthorized, path, err)
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" {
		return "", fmt.Errorf("%w: %s is empty", errUnauthorized, path)
	}
	return secret, nil
}

// call sends one request, with body as JSON unless it is nil, and decodes the answer into root unless that is nil.
func (c *client) call(ctx context.Context, method, path string, body, root any) error {
	request, err := c.godo.NewRequest(ctx, method, path, body)
	if err != nil {
		return fmt.Errorf("prepare request: %w", err)
	}
	if _, err := c.godo.Do(ctx, request, root); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}
