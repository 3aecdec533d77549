package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// network reads a network, or an address as one.
func network(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Prefix(addr.BitLen())
	}
	return netip.ParsePrefix(text)
}

var (
	hostName  = regexp.MustCompile(`^([A-Za-z0-9_-]+\.)+[A-Za-z0-9-]+\.?$`)
	proxyForm = regexp.MustCompile(`^([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(;hide)?$`)
)

// Networks reads a list that was checked.
func Networks(texts []string) (networks []netip.Prefix) {
	for _, text := range texts {
		if n, err := network(text); err == nil {
			networks = append(networks, n)
		}
	}
	return networks
}

// Ports is the range of media.rtp_ports.
func (m *Media) Ports() (low, high uint16, err error) {
	first, last, _ := strings.Cut(m.RTPPorts, "-")
	a, errA := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
	b, errB := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
	if errA != nil || errB != nil || a < 1024 || b <= a {
		return 0, 0, fmt.Errorf("%q is not a range such as 20000-20999", m.RTPPorts)
	}
	return uint16(a), uint16(b), nil
}

// Listener is one of sip.listen.
type Listener struct {
	Network string // udp or tcp
	Address netip.AddrPort
}

// ParseListener reads udp://0.0.0.0:5060 and the like.
func ParseListener(text string) (Listener, error) {
	u, err := url.Parse(text)
	if err != nil || u.Path != "" {
		return Listener{}, fmt.Errorf("%q is not an address such as udp://0.0.0.0:5060", text)
	}
	at, err := netip.ParseAddrPort(u.Host)
	if err != nil {
		return Listener{}, fmt.Errorf("%q needs an IP and a port, such as udp://0.0.0.0:5060", text)
	}
	return Listener{u.Scheme, at}, nil
}

// TrunkNames lists the trunks, in order of their names.
func (c *Config) TrunkNames() []string { return slices.Sorted(maps.Keys(c.Trunks)) }

// check is what the tags cannot say.
func (d *decoder) check(c *Config) {
	d.checkSIP(&c.SIP)
	low, high, err := c.Media.Ports()
	if err != nil {
		d.at("media.rtp_ports", err.Error(), CodeType, "")
	}
	if at := c.HEP.Collector; at != "" {
		if u, err := url.Parse(at); err != nil || u.Scheme != "udp" || u.Port() == "" || u.Path != "" {
			d.at("hep.collector", fmt.Sprintf("%q is not a collector such as udp://homer:9060", at), CodeType, "")
		}
	}
	if at := c.Tracing.OTLPEndpoint; at != "" {
		if u, err := url.Parse(at); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			d.at("tracing.otlp_endpoint", fmt.Sprintf("%q is not a collector such as http://collector:4318", at), CodeType, "OTLP over HTTP; the path is /v1/traces unless another is given")
		}
	}
	if a := c.Media.PublicAddress; a != "" {
		if _, err := netip.ParseAddr(a); err != nil {
			d.at("media.public_address", fmt.Sprintf("%q is not an IP", a), CodeType, "")
		}
	}
	d.checkOrigins("http.frame_ancestors", c.HTTP.FrameAncestors)
	d.checkOrigins("http.cors_origins", c.HTTP.CORSOrigins)
	d.checkPolicy(c)
	d.checkHTTP(c)
	channels := 0
	for _, name := range c.TrunkNames() {
		t := c.Trunks[name]
		d.checkTrunk("trunks."+name, &t)
		channels += t.Limits.Channels
	}
	if pairs := (int(high) - int(low) + 1) / 2; err == nil && channels > pairs {
		d.at("media.rtp_ports", fmt.Sprintf("%d ports carry %d calls, trunks allow %d", int(high)-int(low)+1, pairs/2, channels/2), CodePorts, "")
	}
	d.checkRouting(c)
	if c.CallFlow.Confirm.Digit == c.CallFlow.Confirm.DeclineDigit {
		d.at("call_flow.confirm.decline_digit", "is the same key as digit", CodeType, "")
	}
	for path, listen := range map[string]string{"http.listen": c.HTTP.Listen, "metrics.listen": c.Metrics.Listen} {
		if _, _, err := net.SplitHostPort(listen); err != nil && listen != "" {
			d.at(path, fmt.Sprintf("%q is not an address such as 127.0.0.1:8080", listen), CodeType, "")
		}
	}
}

// checkRest checks what tags cannot say. Where something of a section could not be
// read, nothing more is said of that section.
func (d *decoder) checkRest(c *Config) {
	unread := slices.Clone(d.problems)
	d.check(c)
	d.problems = slices.DeleteFunc(d.problems, func(p Problem) bool {
		section := p.Path[:strings.LastIndexByte(p.Path, '.')+1]
		return !slices.Contains(unread, p) && slices.ContainsFunc(unread, func(known Problem) bool {
			return !known.Warning() && strings.HasPrefix(known.Path, section)
		})
	})
}

// at reports a problem with a key, where that was set.
func (d *decoder) at(path, message, code, help string) {
	d.add(d.origins[path], path, message, code, help)
}

func (d *decoder) checkSIP(s *SIP) {
	udp := false
	for i, text := range s.Listen {
		path := fmt.Sprintf("sip.listen[%d]", i)
		if _, known := d.origins[path]; !known {
			path = "sip.listen"
		}
		l, err := ParseListener(text)
		switch {
		case err != nil:
			d.at(path, err.Error(), CodeType, "")
		case l.Network == "tls" && (s.TLS.CertFile == "" || s.TLS.KeyFile == ""):
			d.at(path, "a tls:// listener shows a certificate", CodeRequired, "set sip.tls.cert_file and sip.tls.key_file")
		case l.Network != "udp" && l.Network != "tcp" && l.Network != "tls":
			d.at(path, fmt.Sprintf("%q is no transport", l.Network), CodeType, "use udp://, tcp:// or tls://")
		}
		udp = udp || l.Network == "udp"
	}
	d.readable("sip.tls.cert_file", s.TLS.CertFile)
	d.readable("sip.tls.key_file", s.TLS.KeyFile)
	if !udp {
		d.at("sip.listen", "needs a udp:// listener", CodeType, "")
	}
	if s.PublicAddress != "auto" {
		if _, err := netip.ParseAddr(s.PublicAddress); err != nil && !hostName.MatchString(s.PublicAddress) {
			d.at("sip.public_address", fmt.Sprintf("%q is neither auto, nor an IP, nor a name", s.PublicAddress), CodeType, "")
		}
	}
	for i, text := range s.AllowFrom {
		if _, err := network(text); err != nil && text != "trunks" {
			d.at(fmt.Sprintf("sip.allow_from[%d]", i), fmt.Sprintf("%q is neither trunks nor a network", text), CodeType, "")
		}
	}
}

// checkHTTP looks at what belongs together.
func (d *decoder) checkHTTP(c *Config) {
	d.readable("http.tls.cert_file", c.HTTP.TLS.CertFile)
	d.readable("http.tls.key_file", c.HTTP.TLS.KeyFile)
	if (c.HTTP.TLS.CertFile == "") != (c.HTTP.TLS.KeyFile == "") {
		d.at("http.tls", "needs both cert_file and key_file, or neither", CodeRequired, "")
	}
	auth := c.Metrics.Auth
	if (auth.Username == "") != (auth.PasswordHash == "") {
		d.at("metrics.auth", "needs both username and password_hash, or neither", CodeRequired, "")
	}
	if auth.PasswordHash != "" && !bcryptForm.MatchString(auth.PasswordHash) {
		d.at("metrics.auth.password_hash", "is not a bcrypt hash", CodeType, "htpasswd -nbB USER PASSWORD makes one")
	}
}

var bcryptForm = regexp.MustCompile(`^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$`)

// checkOrigins wants what browsers call an origin, exactly: it goes into a
// Content-Security-Policy as it is, and is compared with the Origin header. There is no
// wildcard: whoever it let in would act for a rep.
func (d *decoder) checkOrigins(path string, origins []string) {
	for i, text := range origins {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Scheme+"://"+u.Host != text || strings.ContainsAny(text, " ;,'\"") {
			d.at(fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("%q is not an origin", text), CodeType, "write https://app.example.com")
		}
	}
}

func (d *decoder) checkTrunk(path string, t *Trunk) {
	if t.SRTP != "none" && t.Transport != "tls" && t.Transport != "auto" {
		d.at(path+".srtp", "its keys go by "+t.Transport+", where whoever sees the signalling can read them", CodeInClear, "transport: tls")
	}
	d.checkTrunkTLS(path+".tls", &t.TLS)
	if t.OutboundProxy != "" && !proxyForm.MatchString(t.OutboundProxy) {
		d.at(path+".outbound_proxy", fmt.Sprintf("%q is not a host, or a host and a port", t.OutboundProxy), CodeType, "write sbc.example.com:5060")
	}
	switch {
	case t.Auth.Mode == "register" && t.Auth.Username == "":
		d.at(path+".auth.mode", "register needs a username, and mostly a password", CodeRequired, "")
	case t.Auth.Mode == "digest" && (t.Auth.Username == "" || t.Auth.Password == ""):
		d.at(path+".auth.mode", "digest needs a username and a password", CodeRequired, "")
	case t.Auth.Mode == "ip" && t.Auth.Username != "":
		d.at(path+".auth.mode", "a username is not used with ip", CodeType, "write mode: digest")
	}
	if !slices.Contains(t.Codecs, "pcmu") && !slices.Contains(t.Codecs, "pcma") {
		d.at(path+".codecs", "prompts are played, and keys heard, in G.711", CodeRequired, "add pcmu or pcma")
	}
	from := t.Identity.FromUser
	if from != "caller_id" && from != "auth_user" && !strings.HasPrefix(from, "fixed:") {
		d.at(path+".identity.from_user", fmt.Sprintf("%q is none of caller_id, auth_user, fixed:NAME", from), CodeType, "")
	}
}

// readable reports a file that is named and cannot be read.
func (d *decoder) readable(path, file string) {
	if file == "" {
		return
	}
	if f, err := os.Open(file); err != nil {
		d.at(path, err.Error(), CodeRefers, "")
	} else {
		_ = f.Close()
	}
}

func (d *decoder) checkTrunkTLS(path string, t *TrunkTLS) {
	d.readable(path+".ca_file", t.CAFile)
	d.readable(path+".cert_file", t.CertFile)
	d.readable(path+".key_file", t.KeyFile)
	if (t.CertFile == "") != (t.KeyFile == "") {
		d.at(path+".cert_file", "a certificate and its key go together", CodeRequired, "set both cert_file and key_file")
	}
}

func (d *decoder) checkRouting(c *Config) {
	used := make(map[string]bool)
	shows := make(map[string]bool) // to prospects; a rep sees what the prospect sees
	for i, r := range c.Routing {
		if r.Leg != "rep" && strings.HasPrefix(r.Match, "sip:") {
			d.at(fmt.Sprintf("routing[%d].match", i), "only reps have desk phones", CodeType, "")
		}
		for j, name := range r.Trunks {
			used[name] = true
			shows[name] = shows[name] || r.Leg == "prospect"
			if _, known := c.Trunks[name]; !known {
				path := fmt.Sprintf("routing[%d].trunks[%d]", i, j)
				d.at(path, fmt.Sprintf("no trunk %q%s", name, meant(name, c.TrunkNames())), CodeRefers, "")
			}
		}
	}
	for _, name := range c.TrunkNames() {
		if len(c.Routing) > 0 && !used[name] {
			d.at("trunks."+name+".host", "no route uses the trunk", CodeUnused, "")
		}
		if len(c.Trunks[name].CallerIDs) == 0 && (shows[name] || !used[name]) {
			path := "trunks." + name
			d.add(d.origins[path+".host"], path+".caller_ids", "is required: the first is the default", CodeRequired, "")
		}
	}
}
