package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tandem/config"
)

// selfSigned writes a certificate of 127.0.0.1 and its key, good until then.
func selfSigned(t *testing.T, dir string, until time.Time) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, roots = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), x509.NewCertPool()
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return cert, key, roots
}

// TestHTTPS: with a certificate the API is served over TLS, by HTTP/2, so that
// the event streams of many tabs share a connection.
func TestHTTPS(t *testing.T) {
	dir := t.TempDir()
	cert, key, roots := selfSigned(t, dir, time.Now().Add(time.Hour))
	cfg, problems := config.Read("the test's configuration", fmt.Appendf(nil, `version: 1
sip: {listen: ["udp://127.0.0.1:0"]}
numbers: {default_region: US, allow: ["+1"]}
trunks: {a: {host: 127.0.0.1, auth: {mode: ip}, caller_ids: ["+14155550100"]}}
http: {listen: "127.0.0.1:0", tls: {cert_file: %q, key_file: %q}}
metrics: {listen: ""}
store: {url: "sqlite://%s"}
`, cert, key, filepath.Join(dir, "t.db")), nil)
	if problems.Errors() > 0 {
		t.Fatal(problems)
	}
	a, err := Start(t.Context(), cfg, RealWire(cfg.Media.DSCP), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	res, err := client.Get("https://" + a.HTTP.String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || res.ProtoMajor != 2 {
		t.Errorf("%s %s", res.Status, res.Proto)
	}
}
