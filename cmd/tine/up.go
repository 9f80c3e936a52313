package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newUpCommand() *cobra.Command {
	opts := defaultUpOptions()
	var configFile string
	var debug bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run Tine on this machine: API, gateways and nodes",
		Long: `Run Tine on this machine. It prints one line that begins with "ready" when it serves, and stops on SIGTERM or
SIGINT. Nodes keep running and are adopted at the next start, unless --stop-nodes is given.

The first start writes an administrator's token to DATA/admin-token, readable by its owner only.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			merged, err := mergeConfigFile(cmd.Flags(), opts, configFile)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return runUp(ctx, merged, newLogger(cmd.ErrOrStderr(), debug), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.AddFlagSet(upFlags(&opts))
	f.StringVar(&configFile, "config", "", "YAML file with these settings and more; see docs/operating.md")
	f.BoolVar(&debug, "debug", false, "log every step")
	return cmd
}

// upFlags are the settings of tine up that are flags, too.
func upFlags(opts *upOptions) *pflag.FlagSet {
	f := pflag.NewFlagSet("up", pflag.ContinueOnError)
	f.StringVar(&opts.DataDir, "data-dir", opts.DataDir, "where everything that Tine keeps is")
	f.StringVar(&opts.EngineDir, "engine-dir", opts.EngineDir, "where the engine is installed")
	f.StringVar(&opts.Listen, "listen", opts.Listen, "address of the API and the control panel")
	f.StringVar(&opts.GatewayHost, "gateway-host", opts.GatewayHost, "host name or address at which clients reach the clusters")
	f.StringVar(&opts.GatewayPorts, "gateway-ports", opts.GatewayPorts, "ports for the clusters, first and last")
	addOptional(f, &opts.ListenTLS, "listen-tls", "serve the API and the panel by TLS (default: unless --listen is on loopback)")
	addOptional(f, &opts.GatewayPlaintext, "gateway-plaintext",
		"let the clusters' clients on this machine do without TLS (default: if --gateway-host is on loopback)")
	f.StringVar(&opts.TLS.Cert, "tls-cert", "", "`file` with the certificate and its chain (default: one of Tine's own CA, DATA/ca.crt)")
	f.StringVar(&opts.TLS.Key, "tls-key", "", "`file` with the key of --tls-cert")
	f.StringVar(&opts.TLS.CA, "tls-ca", "", "`file` with the CA that clients need to trust --tls-cert, if they do not anyway")
	f.BoolVar(&opts.StopNodes, "stop-nodes", false, "at the end, stop the nodes, unmount the pool and detach it")
	return f
}

func newLogger(w io.Writer, debug bool) *slog.Logger {
	level := slog.LevelInfo
	if debug {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// runUp serves until ctx ends, then stops in order.
func runUp(ctx context.Context, opts upOptions, log *slog.Logger, out io.Writer) error {
	if os.Geteuid() != 0 {
		return errors.New("tine up needs root: it mounts the pool and starts containers")
	}
	u := &up{opts: opts, log: log}
	err := u.start(ctx)
	if err == nil {
		_, _ = fmt.Fprintf(out, "ready api=%s gateway=%s ports=%s\n", u.api.URL(), opts.GatewayHost, opts.GatewayPorts)
		err = u.wait(ctx)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // a start that was interrupted by a signal ends like any other
	}
	// The signal has ended ctx; stopping takes its own time.
	return errors.Join(err, u.stop(context.WithoutCancel(ctx)))
}
