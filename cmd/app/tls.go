package app

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"tandem/config"
	"tandem/sip"
)

// versions are the words of min_version.
var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// certificate is a certificate and its key in files, which are read again when
// they change, so that a renewed one needs no restart.
type certificate struct {
	cert, key string

	mu   sync.Mutex
	at   time.Time // of the newer file, as it was read
	pair *tls.Certificate
}

// serverTLS is what listeners of ours show.
func serverTLS(t config.TLS) (*tls.Config, error) {
	c := &certificate{cert: t.CertFile, key: t.KeyFile}
	if err := c.read(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: versions[t.MinVersion], GetCertificate: c.get}, nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.changed(); at.After(c.at) {
		_ = c.read() // half written, perhaps: the old one still does
	}
	return c.pair, nil
}

func (c *certificate) changed() (at time.Time) {
	for _, file := range []string{c.cert, c.key} {
		if info, err := os.Stat(file); err == nil && info.ModTime().After(at) {
			at = info.ModTime()
		}
	}
	return at
}

func (c *certificate) read() error {
	at := c.changed()
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	c.at, c.pair = at, &pair
	return nil
}

// trunksOf is the trunks as sip wants them, with what their files hold.
func trunksOf(conf *config.Config) (trunks []sip.TrunkConfig, err error) {
	for _, name := range conf.TrunkNames() {
		t, files := trunkOf(conf, name), conf.Trunks[name].TLS
		t.TLS = sip.TLS{ServerName: files.ServerName, MinVersion: versions[conf.SIP.TLS.MinVersion]}
		for _, read := range []struct {
			file string
			into *[]byte
		}{{files.CAFile, &t.TLS.CA}, {files.CertFile, &t.TLS.Cert}, {files.KeyFile, &t.TLS.Key}} {
			if read.file == "" {
				continue
			}
			if *read.into, err = os.ReadFile(read.file); err != nil {
				return nil, fmt.Errorf("trunk %s: %w", name, err)
			}
		}
		trunks = append(trunks, t)
	}
	return trunks, nil
}
