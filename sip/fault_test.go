package sip

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestFaultOf(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want Fault
	}{
		{nil, FaultNone},
		{context.Canceled, FaultNone},
		{&Error{Code: 486}, FaultNone},
		{&Error{Code: 403}, FaultForbidden},
		{&Error{Code: 403, Reason: CallRejected}, FaultNone}, // somebody declined
		{&Error{Code: 403, Rang: true}, FaultNone},
		{&Error{Code: 503}, FaultUnavailable},
		{&Error{Code: 401, Err: errAuthRefused}, FaultPassword},
		{&Error{Code: 407, Err: fmt.Errorf("%w, x", errAuthRealm)}, FaultRealm},
		{&Error{Code: 401, Err: errAuthMissing}, FaultNoCredentials},
		{&Error{Code: 401, Err: errAuthUnsupported}, FaultChallenge},
		{&Error{Err: ErrNoResponse}, FaultSilent},
		{&Error{Err: ErrNoProgress}, FaultNoProgress},
		{&Error{Err: ErrNoAnswer}, FaultNone},
		{&Error{Err: fmt.Errorf("%w: %w: x", ErrUnreachable, ErrUnresolved)}, FaultName},
		{&Error{Err: fmt.Errorf("%w: %w", ErrUnreachable, syscall.ECONNREFUSED)}, FaultRefused},
		{&Error{Err: fmt.Errorf("%w: %w", ErrUnreachable, context.DeadlineExceeded)}, FaultTimeout},
		{&Error{Err: ErrUnreachable}, FaultConnection},
		{&Error{Err: fmt.Errorf("%w: %w", ErrUnreachable, x509.CertificateInvalidError{Reason: x509.Expired})}, FaultExpired},
		{&Error{Err: fmt.Errorf("%w: %w", ErrUnreachable, x509.HostnameError{})}, FaultCertName},
		{&Error{Err: fmt.Errorf("%w: %w", ErrUnreachable, x509.UnknownAuthorityError{})}, FaultUntrusted},
		{errors.New("remote error: tls: bad certificate"), FaultTLS},
	} {
		if got := FaultOf(tt.err); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.want)
		}
	}
	for _, f := range Faults() {
		if !strings.HasSuffix(f.Advice(), ".") {
			t.Errorf("%s: %q", f, f.Advice())
		}
	}
}

// Each thing that is wrong with a trunk has its word, in the log and the metrics.
func TestFaultsOfCalls(t *testing.T) {
	tests := map[string]struct {
		play   func(w *world, d *dialled)
		change func(*Config)
		want   Fault
	}{
		"wrong password": {func(w *world, _ *dialled) {
			for i := range 3 {
				inv, ok := w.next(time.Second)
				if !ok {
					return
				}
				w.respond(inv, "401 Unauthorized", "x", fmt.Sprintf(`WWW-Authenticate: Digest realm="r", nonce="n%d"`, i))
				w.expect("ACK")
			}
		}, nil, FaultPassword},
		"unknown realm": {func(w *world, _ *dialled) {
			w.respond(w.expect("INVITE"), "407 Proxy Authentication Required", "x", `Proxy-Authenticate: Digest realm="other", nonce="n"`)
			w.expect("ACK")
		}, func(c *Config) { c.Trunks[0].Realm = "ours" }, FaultRealm},
		"no credentials": {func(w *world, _ *dialled) {
			w.respond(w.expect("INVITE"), "401 Unauthorized", "x", `WWW-Authenticate: Digest realm="r", nonce="n"`)
			w.expect("ACK")
		}, func(c *Config) { c.Trunks[0].Username = "" }, FaultNoCredentials},
		"forbidden": {func(w *world, _ *dialled) {
			w.respond(w.expect("INVITE"), "403 Forbidden", "x")
			w.expect("ACK")
		}, nil, FaultForbidden},
		"silence": {func(*world, *dialled) {}, nil, FaultSilent},
		"no name": {func(*world, *dialled) {}, func(c *Config) {
			c.Trunks[0].Host = "nowhere.example"
			c.DNS = func(context.Context, []byte) ([]byte, error) { return nil, errEnough }
		}, FaultName},
		"unusable answer": {func(w *world, d *dialled) {
			w.respond(w.expect("INVITE"), "200 OK", "callee", peerContact)
			w.expect("ACK")
			d.up().Hangup(Unusable(FaultNoSDP))
			if bye := w.answerBye(); bye.get("reason") != `Q.850;cause=88;text="no_session_description"` {
				w.t.Errorf("Reason %q", bye.get("reason"))
			}
		}, nil, FaultNoSDP},
		"busy": {func(w *world, _ *dialled) {
			w.respond(w.expect("INVITE"), "486 Busy Here", "x")
			w.expect("ACK")
		}, nil, FaultNone},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			reg := prometheus.NewRegistry()
			metrics := NewMetrics(reg, []string{"carrier"})
			inBubble(t, func(w *world) {
				call := invite()
				call.Timeouts.Trying = 5 * time.Second
				d := w.dial(call)
				tt.play(w, d)
				<-d.done
				synctest.Wait()
			}, func(c *Config) {
				c.Metrics, c.Log = metrics, slog.New(slog.NewTextHandler(&log, nil))
				if tt.change != nil {
					tt.change(c)
				}
			})
			for _, f := range Faults() {
				want := 0.0
				if f == tt.want {
					want = 1
				}
				if got := testutil.ToFloat64(metrics.faults.WithLabelValues("carrier", string(f))); got != want {
					t.Errorf("%s counted %v times", f, got)
				}
			}
			if has := strings.Contains(log.String(), "reason="+string(tt.want)+" "); tt.want != FaultNone && !has {
				t.Errorf("the log has no reason=%s:\n%s", tt.want, log.String())
			}
		})
	}
}
