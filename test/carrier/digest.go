package carrier

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"time"
)

func md5Hex(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// admit reports whether a request may pass; if not, it has been challenged.
func (c *Carrier) admit(m *message, from net.Addr) bool {
	if c.opts.User == "" || m.method() == "ACK" || m.method() == "CANCEL" { // RFC 3261 §22.1
		return true
	}
	nonce, credentials := c.nonce, "Proxy-Authorization"
	if c.opts.NonceLife > 0 {
		nonce += fmt.Sprint(time.Since(c.opened) / c.opts.NonceLife)
	}
	if c.opts.Server {
		credentials = "Authorization"
	}
	f := make(map[string]string)
	for _, field := range authField.FindAllStringSubmatch(m.get(credentials), -1) {
		f[strings.ToLower(field[1])] = field[2] + field[3]
	}
	// RFC 7616 §3.4, MD5 with qop auth.
	ha1 := md5Hex(c.opts.User + ":" + realm + ":" + c.opts.Password)
	ha2 := md5Hex(m.method() + ":" + f["uri"])
	right := f["response"] == md5Hex(strings.Join([]string{ha1, f["nonce"], f["nc"], f["cnonce"], "auth", ha2}, ":"))
	if right && f["username"] == c.opts.User && f["nonce"] == nonce {
		return true
	}
	challenge := fmt.Sprintf("Digest realm=%q, nonce=%q, algorithm=MD5, qop=\"auth\"", realm, nonce)
	if right {
		challenge += ", stale=true"
	}
	status, header := "407 Proxy Authentication Required", "Proxy-Authenticate"
	if c.opts.Server {
		status, header = "401 Unauthorized", "WWW-Authenticate"
	}
	c.send(respond(m, status, "challenge", header+": "+challenge+"\r\n", ""), from)
	return false
}
