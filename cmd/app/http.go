package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"tandem/api"
	"tandem/config"
	"tandem/web"
)

// openHTTP serves the API with the rep's page, and the metrics, each on its own
// listener.
func (a *App) openHTTP(context.Context) error {
	metrics := api.NewMetrics(a.registry)
	a.api = api.New(api.Config{
		Calls: a.bridge.Load(), TestCalls: a.testCalls, Store: a.Store, Operations: operations{a}, Ready: a.ready,
		Numbers: a.numbers, Framed: len(a.cfg.HTTP.FrameAncestors) > 0, CORSOrigins: a.cfg.HTTP.CORSOrigins, PublicURL: strings.TrimRight(a.cfg.HTTP.PublicURL, "/"),
		PerSecond: a.cfg.HTTP.RateLimit.PerSecond, Burst: a.cfg.HTTP.RateLimit.Burst,
		TrustedProxies: config.Networks(a.cfg.HTTP.TrustedProxies), Log: a.log, Metrics: metrics,
		PrivateHooks: a.cfg.Webhooks.AllowPrivateNetworks,
	})
	sender := api.NewSender(api.SenderConfig{Server: a.api, Timeout: a.cfg.Webhooks.Timeout,
		DisableAfter: a.cfg.Webhooks.DisableAfter, Private: a.cfg.Webhooks.AllowPrivateNetworks, Log: a.log})
	a.later(func() error { sender.Close(); return nil })
	page, err := web.New(web.Config{FrameAncestors: a.cfg.HTTP.FrameAncestors, SignInURL: a.cfg.HTTP.SignInURL})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	for _, path := range page.Paths() {
		mux.Handle(path, page)
	}
	mux.Handle("/", a.api)
	var secure *tls.Config
	if a.cfg.HTTP.TLS.CertFile != "" {
		if secure, err = serverTLS(a.cfg.HTTP.TLS); err != nil {
			return fmt.Errorf("http.tls: %w", err)
		}
	}
	if a.HTTP, err = a.serve("http.listen", a.cfg.HTTP.Listen, secure, mux, a.api.Close); err != nil {
		return err
	}
	if a.cfg.Metrics.Listen != "" {
		handler := protected(a.cfg.Metrics.Auth, a.metricsHandler())
		a.Metrics, err = a.serve("metrics.listen", a.cfg.Metrics.Listen, nil, handler, func() {})
	}
	return err
}

// serve serves HTTP until the App closes, which lets requests under way finish.
// A nil secure is HTTP in clear.
func (a *App) serve(key, addr string, secure *tls.Config, handler http.Handler, stop func()) (net.Addr, error) {
	listener, err := a.wire.ListenTCP(addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)}
	run := server.Serve
	if secure != nil {
		server.TLSConfig = secure
		run = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	a.serving.Go(func() {
		if err := run(listener); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("http: stopped", "err", err)
		}
	})
	a.later(func() error {
		stop()
		ctx, cancel := context.WithTimeout(context.Background(), saveWithin)
		defer cancel()
		err := server.Shutdown(ctx)
		if err != nil {
			err = server.Close()
		}
		return err
	})
	return listener.Addr(), nil
}
