package sip

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
)

// Fault is what is wrong with a trunk, in a word: a label of metrics, a field of
// the log, and what Advice is looked up by.
type Fault string

// Every Fault there is.
const (
	FaultNone          Fault = ""
	FaultName          Fault = "name_unresolved"
	FaultRefused       Fault = "connection_refused"
	FaultTimeout       Fault = "connection_timeout"
	FaultConnection    Fault = "connection_failed"
	FaultExpired       Fault = "certificate_expired"
	FaultCertName      Fault = "certificate_name"
	FaultUntrusted     Fault = "certificate_untrusted"
	FaultTLS           Fault = "tls_failed"
	FaultSilent        Fault = "no_answer"
	FaultNoProgress    Fault = "no_progress"
	FaultUnavailable   Fault = "unavailable"
	FaultPassword      Fault = "wrong_password"
	FaultRealm         Fault = "unknown_realm"
	FaultNoCredentials Fault = "no_credentials"
	FaultChallenge     Fault = "challenge_not_understood"
	FaultForbidden     Fault = "not_allowed"
	FaultOffer         Fault = "offer_refused"
	FaultNoSDP         Fault = "no_session_description"
	FaultTwoMedia      Fault = "two_media"
	FaultCodec         Fault = "codec_not_offered"
	FaultPort          Fault = "media_port_zero"
	FaultSDP           Fault = "session_description_unusable"
	FaultNAT           Fault = "nat"
	FaultALG           Fault = "sip_alg"
)

// advice says what to change, one sentence a Fault.
var advice = map[Fault]string{
	FaultName:          "Correct the trunk's host, or its outbound_proxy: no DNS server knows an address for it (SRV, A, AAAA), or none can be reached from here.",
	FaultRefused:       "Nothing listens there: check host, port and transport of the trunk, and whether the far end allows this machine's address.",
	FaultTimeout:       "Nothing came back: let this transport out to the trunk's address and port in the firewall, and check both.",
	FaultConnection:    "The connection broke: check the transport, and what stands between (firewall, load balancer).",
	FaultExpired:       "The trunk's certificate has expired, or this machine's clock is wrong: ask the carrier for a new one, and check the clock.",
	FaultCertName:      "The trunk's certificate is for another name: set host to a name it is made out to.",
	FaultUntrusted:     "The trunk's certificate is of an authority unknown here: give its CA to the trunk, if it is a private one.",
	FaultTLS:           "The TLS handshake failed: check that the port speaks TLS, version 1.2 at least, and whether a client certificate is wanted.",
	FaultSilent:        "No answer came: open the firewall for SIP both ways (out to the trunk's port, and in from there), and have this machine's public address allowed at the trunk.",
	FaultNoProgress:    "The trunk took the call and went silent: what lies behind it does not answer; ask the carrier with the Call-ID of the trace.",
	FaultUnavailable:   "The trunk says that it cannot serve now: wait, lower limits.cps, or ask the carrier.",
	FaultPassword:      "The trunk refuses username and password: set auth.username and auth.password to those of the carrier's portal, not those of its web site.",
	FaultRealm:         "The trunk asks for credentials of another realm: set auth.realm to the one it names, or leave it out.",
	FaultNoCredentials: "The trunk asks for a password: set auth.mode to digest with username and password, or have this machine's address allowed there.",
	FaultChallenge:     "The trunk asks for credentials in a way that is not known here: it must be Digest with MD5 or SHA-256.",
	FaultForbidden:     "The trunk forbids the call: check that the caller id is one of yours there, and that this machine's address and the country dialled are allowed.",
	FaultOffer:         "The trunk refuses what we offer of sound: allow PCMU or PCMA (G.711) for this trunk there, and set its srtp to required if it insists on encryption, to none if it knows none.",
	FaultNoSDP:         "The trunk answered without a session description: turn early offer on, and media (or \"SDP in 200 OK\") for this trunk there.",
	FaultTwoMedia:      "The trunk answered with more streams than were offered: turn video and fax (T.38) off for this trunk there.",
	FaultCodec:         "The trunk answered with a codec nobody offered: allow PCMU or PCMA (G.711) for this trunk there, and put it first.",
	FaultPort:          "The trunk answered with port 0, which refuses the sound: allow PCMU or PCMA (G.711) and RTP without encryption for this trunk there.",
	FaultSDP:           "The trunk's session description cannot be used: the log says what is wrong with it.",
	FaultNAT:           "The trunk sees another address than we name: set sip.public_address to it, and forward the SIP port and media.rtp_ports to this machine.",
	FaultALG:           "Something on the way rewrites SIP: turn SIP ALG (SIP helper, SIP inspection) off in the router or firewall, or use TLS.",
}

// Advice is a sentence that says what to change.
func (f Fault) Advice() string { return advice[f] }

// Faults lists every Fault that a call can meet.
func Faults() (all []Fault) {
	for f := range advice {
		all = append(all, f)
	}
	return all
}

// FaultOf finds what is wrong with a trunk in an error of Dial, a probe or a
// connection; FaultNone where the one called has answered for himself.
func FaultOf(err error) Fault {
	var refused *Error
	if errors.As(err, &refused) && refused.Err == nil {
		if _, called := refused.Reason.Q850(); called || refused.Rang {
			return FaultNone
		}
		return faultOfCode(refused.Code)
	}
	for _, known := range []struct {
		err   error
		fault Fault
	}{
		{errAuthRefused, FaultPassword}, {errAuthRealm, FaultRealm}, {errAuthMissing, FaultNoCredentials}, {errAuthUnsupported, FaultChallenge},
		{ErrUnresolved, FaultName}, {ErrNoResponse, FaultSilent}, {ErrNoProgress, FaultNoProgress}, {syscall.ECONNREFUSED, FaultRefused},
	} {
		if errors.Is(err, known.err) {
			return known.fault
		}
	}
	if fault := faultOfTLS(err); fault != FaultNone {
		return fault
	}
	var network net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return FaultTimeout
	case errors.Is(err, ErrUnreachable), errors.As(err, &network):
		return FaultConnection
	}
	return FaultNone
}

func faultOfCode(code int) Fault {
	switch code {
	case 401, 407:
		return FaultPassword
	case 403:
		return FaultForbidden
	case 503:
		return FaultUnavailable
	}
	return FaultNone
}

func faultOfTLS(err error) Fault {
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return FaultExpired
	case errors.As(err, &name):
		return FaultCertName
	case errors.As(err, &unknown):
		return FaultUntrusted
	case errors.As(err, &record), errors.As(err, &alert), errors.As(err, &certificate), err != nil && strings.Contains(err.Error(), "tls: "):
		return FaultTLS
	}
	return FaultNone
}

// Unusable is why an answered leg is hung up whose session description cannot
// be used; Hangup counts it.
func Unusable(f Fault) Reason {
	return Reason{Protocol: "Q.850", Cause: Incompatible.Cause, Text: string(f)}
}

// fault writes down what is wrong with a trunk, once for each call that met it.
func (e *Endpoint) fault(log *slog.Logger, trunk string, f Fault, err error) {
	if f == FaultNone {
		return
	}
	log.Warn("sip: trunk at fault", "reason", string(f), "err", err, "help", f.Advice())
	e.metrics.fault(trunk, f)
}
