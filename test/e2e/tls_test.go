package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// authority signs certificates, and is known to nobody but who is given its file.
type authority struct {
	*testing.T
	dir, file string
	cert      *x509.Certificate
	key       *ecdsa.PrivateKey
	serial    atomic.Int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{T: t, dir: t.TempDir()}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a private authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = a.newKey()
	a.file = a.sign("ca", a.cert, &a.key.PublicKey)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	a.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.Fatal(err)
	}
	return key
}

func (a *authority) write(name, kind string, der []byte) (path string) {
	a.Helper()
	path = filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.Fatal(err)
	}
	return path
}

func (a *authority) sign(name string, cert *x509.Certificate, key *ecdsa.PublicKey) (path string) {
	a.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, key, a.key)
	if err != nil {
		a.Fatal(err)
	}
	return a.write(name+".pem", "CERTIFICATE", der)
}

// issue makes a certificate for a host, which is good until then, and its key.
func (a *authority) issue(host string, until time.Time) (cert, key string) {
	a.Helper()
	private := a.newKey()
	serial := a.serial.Add(1) + 1
	name := fmt.Sprint(host, serial)
	cert = a.sign(name, &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, &private.PublicKey)
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		a.Fatal(err)
	}
	return cert, a.write(name+".key", "EC PRIVATE KEY", der)
}

// TestKamailioTLS: the PBX over TLS, by the name that its certificate must have, and
// by a certificate of ours that it asks for. It registers, and a call is connected.
func TestKamailioTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	hour := time.Now().Add(time.Hour)
	cert, key := ca.issue("pbx.office.test", hour)
	ours, ourKey := ca.issue("tandem.office.test", hour)
	pbx := startKamailio(t, "auth", "register", "cert", cert, "key", key, "ca", ca.file)
	rep, prospect := pbx.phone(repHz, repNumber, ""), pbx.phone(prospectHz, prospectNumber, "")
	s := newServer(t, pbx.trunk("register", fmt.Sprintf(`    transport: tls
    tls: {server_name: pbx.office.test, ca_file: "%s", cert_file: "%s", key_file: "%s"}`, ca.file, ours, ourKey)))
	s.env = []string{"TRUNK_PASSWORD=" + trunkPassword}
	s.start()
	s.until("the trunk is registered", func() bool { return s.trunk("pbx")["registered"] == true })
	id := s.place(repNumber, prospectNumber)
	talk(t, s, id, rep, prospect)
	prospect.press(hangUpKey)
	s.ends(id, "completed", "completed", "prospect")
	rep.says("terminated")
}

// TestTrunkTest: what `tandem trunk test` says of the PBX: that it is ready, or which
// certificate or password is not to be believed.
func TestTrunkTest(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	for name, tt := range map[string]struct {
		ca       *authority
		host     string
		until    time.Duration
		password string
		code     string // "" = ready
	}{
		"ready":               {ca, "pbx.office.test", time.Hour, trunkPassword, ""},
		"expired":             {ca, "pbx.office.test", -time.Hour, trunkPassword, "certificate_expired"},
		"another's name":      {ca, "pbx.elsewhere.test", time.Hour, trunkPassword, "certificate_name"},
		"a stranger's":        {other, "pbx.office.test", time.Hour, trunkPassword, "certificate_untrusted"},
		"with wrong password": {ca, "pbx.office.test", time.Hour, "wrong", "wrong_password"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cert, key := tt.ca.issue(tt.host, time.Now().Add(tt.until))
			ours, ourKey := ca.issue("tandem.office.test", time.Now().Add(time.Hour))
			pbx := startKamailio(t, "auth", "register", "cert", cert, "key", key, "ca", ca.file)
			s := newServer(t, pbx.trunk("register", fmt.Sprintf(`    transport: tls
    tls: {server_name: pbx.office.test, ca_file: "%s", cert_file: "%s", key_file: "%s"}`, ca.file, ours, ourKey)))
			s.env = []string{"TRUNK_PASSWORD=" + tt.password}
			out, err := s.command("trunk", "test", "pbx", "--config", s.config).CombinedOutput()
			ready := err == nil && strings.Contains(string(out), "\n  ready\n")
			if ready != (tt.code == "") || tt.code != "" && !strings.Contains(string(out), "["+tt.code+"]") {
				t.Errorf("%v, want %q\n%s", err, tt.code, out)
			}
		})
	}
}
