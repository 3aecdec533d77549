package sip

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
)

// TLS is how a trunk proves who it is, and how we do. Everything is PEM.
type TLS struct {
	CA         []byte // instead of the system's roots; nil = those
	Cert, Key  []byte // our own certificate, where the trunk asks for one
	ServerName string // the name its certificate must have; "" = the trunk's host
	MinVersion uint16 // 0 = TLS 1.2
}

// config is the tls.Config of connections to the trunk. The name in the
// certificate is that of the trunk's domain, whatever SRV said (RFC 5922 §7.1).
func (t *TrunkConfig) tlsConfig() (*tls.Config, error) {
	host, _, _ := t.destination()
	cfg := &tls.Config{MinVersion: max(tls.VersionTLS12, t.TLS.MinVersion), ServerName: strings.Trim(host, "[]")}
	if t.TLS.ServerName != "" {
		cfg.ServerName = t.TLS.ServerName
	}
	if len(t.TLS.CA) > 0 {
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(t.TLS.CA) {
			return nil, errors.New("tls: there is no certificate in the CA file")
		}
	}
	if len(t.TLS.Cert) > 0 || len(t.TLS.Key) > 0 {
		pair, err := tls.X509KeyPair(t.TLS.Cert, t.TLS.Key)
		if err != nil {
			return nil, fmt.Errorf("tls: certificate and key: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// terms is equal for those who would accept the same far end, and show it the same
// certificate.
func (t *TLS) terms(serverName string) string {
	return fmt.Sprintf("%s %x %x %x %d", serverName, sha256.Sum256(t.CA), sha256.Sum256(t.Cert), sha256.Sum256(t.Key), t.MinVersion)
}

// secure makes a connection a TLS one, or closes it.
func (t *trunk) secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	secured := tls.Client(conn, t.secured)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("tls: %w", err)
	}
	return secured, nil
}
