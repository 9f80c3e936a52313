package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/pflag"

	"tine/internal/certs"
)

// tlsOptions say whose certificate the listeners show.
type tlsOptions struct {
	Cert string `yaml:"cert"` // the operator's certificate with its chain, PEM; empty means one of Tine's own CA
	Key  string `yaml:"key"`
	CA   string `yaml:"ca"` // what clients have to trust for it, PEM; empty if they do anyway

	// Hosts are more names and addresses that Tine's own certificate is for; for the configuration file alone.
	Hosts []string `yaml:"hosts"`
}

// optional is a flag's switch whose default depends on other settings: nil until it is given.
type optional struct{ target **bool }

var _ pflag.Value = optional{}

// Set implements pflag.Value.
func (o optional) Set(text string) error {
	value, err := strconv.ParseBool(text)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", text)
	}
	*o.target = &value
	return nil
}

// String implements pflag.Value.
func (o optional) String() string {
	if o.target == nil || *o.target == nil {
		return ""
	}
	return strconv.FormatBool(**o.target)
}

// Type implements pflag.Value.
func (optional) Type() string { return "bool" }

// addOptional adds a switch that may be given without a value.
func addOptional(flags *pflag.FlagSet, target **bool, name, usage string) {
	flags.VarPF(optional{target}, name, "", usage).NoOptDefVal = "true"
}

func either(given *bool, standard bool) bool {
	if given == nil {
		return standard
	}
	return *given
}

// isLoopback says whether only this machine reaches a host. An empty one means all addresses of the machine.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// plaintext says whether the clusters' clients on this machine may do without TLS. Where clusters are reached at loopback, nothing that
// they say leaves the machine, so they may unless the operator forbids it; elsewhere only if the operator allows it.
func (o *upOptions) plaintext() bool { return either(o.GatewayPlaintext, isLoopback(o.GatewayHost)) }

// clustersNeedTLS says whether connection strings ask for TLS: whoever has them must be able to connect.
func (o *upOptions) clustersNeedTLS() bool { return !o.plaintext() || !isLoopback(o.GatewayHost) }

// listenTLS says whether the API speaks TLS.
func (o *upOptions) listenTLS() bool { return either(o.ListenTLS, !isLoopback(o.listenHost())) }

func (o *upOptions) listenHost() string {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return o.Listen
	}
	return host
}

// validateTLS refuses passwords and tokens in the clear on a network.
func (o *upOptions) validateTLS() error {
	if !o.listenTLS() && !isLoopback(o.listenHost()) {
		return fmt.Errorf("--listen-tls=false needs a --listen on loopback, such as 127.0.0.1:8080; got %s", o.Listen)
	}
	for _, path := range []*string{&o.TLS.Cert, &o.TLS.Key, &o.TLS.CA} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("find %s: %w", *path, err)
		}
		*path = abs
	}
	return nil
}

// serviceNames are the names that clients reach clusters by; there are none before the store is open, and no listeners either.
func (u *up) serviceNames(ctx context.Context) ([]string, error) {
	if u.store == nil {
		return nil, nil
	}
	return u.store.ServiceNames(ctx)
}

// openCerts finds or makes the certificate that all listeners show.
func (u *up) openCerts(context.Context) (err error) {
	o := u.opts
	hosts := append([]string{o.GatewayHost, o.GatewayListen, o.listenHost()}, o.TLS.Hosts...)
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	u.certs, err = certs.Open(certs.Config{
		CertFile: o.TLS.Cert, KeyFile: o.TLS.Key, CAFile: o.TLS.CA, Dir: o.DataDir, Hosts: hosts, Log: u.log,
		Names: u.serviceNames,
	})
	return err
}
