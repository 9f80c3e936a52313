package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// apiServer is the API's HTTP server.
type apiServer struct {
	http.Server
	listener net.Listener
	secure   bool // TLSConfig does not tell: Serve sets it for HTTP/2, whether or not there is TLS
	failed   chan error
}

// listenAPI serves until Shutdown, by TLS if secure is not nil.
func listenAPI(ctx context.Context, address string, handler http.Handler, secure *tls.Config, log *slog.Logger) (*apiServer, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for the API: %w", err)
	}
	s := &apiServer{
		Server: http.Server{
			Handler:           handler,
			TLSConfig:         secure,
			ReadHeaderTimeout: 10 * time.Second, // and for the handshake
			ReadTimeout:       time.Minute,
			WriteTimeout:      2 * time.Minute,
			IdleTimeout:       2 * time.Minute,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // clients' failures, of handshakes above all
		},
		listener: ln,
		secure:   secure != nil,
		failed:   make(chan error, 1),
	}
	go func() {
		if err := s.serve(); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	return s, nil
}

func (s *apiServer) serve() error {
	if s.secure {
		return s.ServeTLS(s.listener, "", "")
	}
	return s.Serve(s.listener)
}

// URL is where the API is reached.
func (s *apiServer) URL() string {
	scheme := "http"
	if s.secure {
		scheme = "https"
	}
	return scheme + "://" + s.listener.Addr().String()
}
