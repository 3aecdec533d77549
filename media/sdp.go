package media

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// What a session description may have, so that a hostile one costs nothing.
const (
	maxSDP   = 16 << 10
	maxMedia = 8
)

// What makes a session description useless, where it is not plainly broken.
var (
	// ErrNoCodec: the far end takes none of those of the trunk.
	ErrNoCodec = errors.New("no common codec: need PCMU or PCMA")
	// ErrNoAnswer: a call was answered, and no session description ever came.
	ErrNoAnswer = errors.New("answered without a session description")
	// ErrNoPort: the port is 0, which refuses the sound (RFC 3264 §6).
	ErrNoPort = errors.New("the answer refuses the sound: port 0")
	// errNoCrypto: RTP/SAVP without a key.
	errNoCrypto = fmt.Errorf("%w: no a=crypto line of a suite we know", ErrBadCrypto)
	// ErrTwoMedia: an answer accepts more streams than were offered (RFC 3264 §6).
	ErrTwoMedia = errors.New("the answer has more streams than the one that was offered")
)

// remote is the far end's half of a session.
type remote struct {
	hears    bool // it wants to be sent to
	numbers       // as it knows them
	addr     netip.AddrPort
	codecs   []Codec        // in its order, each once
	opusFmtp string         // its parameters of Opus (RFC 7587 §6.1)
	noise    bool           // it takes comfort noise
	reports  netip.AddrPort // of its RTCP
	mux      bool           // RTCP goes by the port of RTP (RFC 5761)
	longest  int            // samples it takes in a packet; 0 = it does not say
	sends    bool           // it will send
	lines    []string       // its m-lines, refused, as the answer to them has them
	audio    int            // which of them is the audio
	active   int            // how many of them were not refused

	secure    bool     // RTP/SAVP: SRTP only
	cryptos   []crypto // the keys it has, those that can be used
	badCrypto error    // why there is none, where there should be
}

// parseSDP reads an offer or answer with one stream of audio.
func parseSDP(body []byte) (remote, error) {
	if len(body) > maxSDP {
		return remote{}, fmt.Errorf("session description: %d octets are too many", len(body))
	}
	body, lines := known(body)
	var s sdp.SessionDescription
	if err := s.Unmarshal(body); err != nil {
		return remote{}, fmt.Errorf("session description: %w", err)
	}
	if len(s.MediaDescriptions) > maxMedia {
		return remote{}, fmt.Errorf("session description: %d media are too many", len(s.MediaDescriptions))
	}
	active, refused := 0, false
	for _, m := range s.MediaDescriptions {
		if m.MediaName.Port.Value != 0 {
			active++
		} else if m.MediaName.Media == "audio" {
			refused = true
		}
	}
	for i, m := range s.MediaDescriptions {
		secure := slices.Equal(m.MediaName.Protos, []string{"RTP", "SAVP"})
		if m.MediaName.Media != "audio" || m.MediaName.Port.Value == 0 || !secure && !slices.Equal(m.MediaName.Protos, []string{"RTP", "AVP"}) {
			continue
		}
		r, err := parseAudio(&s, m)
		r.secure = secure
		if secure && err == nil && len(r.cryptos) == 0 {
			err = fmt.Errorf("session description: no audio we could decipher: %w", cmp.Or(r.badCrypto, errNoCrypto))
		}
		r.lines, r.audio, r.active = lines, i, active
		return r, err
	}
	if refused && active == 0 {
		return remote{}, fmt.Errorf("session description: no audio: %w", ErrNoPort)
	}
	return remote{}, errors.New("session description: no audio over RTP/AVP")
}

// known makes the m-lines of what we do not take, fax (m=image), text or screens, into
// such as the parser knows: it would refuse a whole description for the sake of one.
// refused has every m-line as the answer to it refuses it: of the same medium and
// protocol, with the port 0 (RFC 3264 §6). Of its formats one is enough.
func known(body []byte) (text []byte, refused []string) {
	for line := range bytes.Lines(body) {
		fields := strings.Fields(string(line))
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "m=") {
			text = append(text, line...)
			continue
		}
		refused = append(refused, fmt.Sprintf("%s 0 %s %s\r\n", fields[0], fields[2], fields[3]))
		if fields[0] == "m=audio" && (fields[2] == "RTP/AVP" || fields[2] == "RTP/SAVP") {
			text = append(text, line...)
			continue
		}
		if fields[0] != "m=audio" {
			fields[0] = "m=application"
		}
		text = fmt.Appendf(text, "%s %s UDP 0\r\n", fields[0], fields[1])
	}
	return text, refused
}

func parseAudio(s *sdp.SessionDescription, m *sdp.MediaDescription) (remote, error) {
	connection := m.ConnectionInformation
	if connection == nil {
		connection = s.ConnectionInformation
	}
	if connection == nil || connection.Address == nil {
		return remote{}, errors.New("session description: no c= line")
	}
	text, _, _ := strings.Cut(connection.Address.Address, "/")
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.IsMulticast() {
		return remote{}, fmt.Errorf("session description: c= %q is no unicast address", text)
	}
	port := m.MediaName.Port.Value
	if port < 1024 || port > 65535 {
		return remote{}, fmt.Errorf("session description: port %d is none for RTP", port)
	}
	r := remote{addr: netip.AddrPortFrom(addr.Unmap(), uint16(port)), sends: true, hears: true}
	r.direct(s.Attributes)
	r.direct(m.Attributes)
	if addr.IsUnspecified() { // hold, as it was before RFC 3264
		r.hears = false
	}
	r.reports = reportsOf(r.addr, m.Attributes)
	_, r.mux = m.Attribute("rtcp-mux")
	r.cryptos, r.badCrypto = cryptos(m.Attributes)
	if most, is := m.Attribute("maxptime"); is {
		if ms, err := strconv.ParseUint(strings.TrimSpace(most), 10, 16); err == nil && ms >= 10 {
			r.longest = int(ms) * sampleRate / 1000
		}
	}
	names := rtpmaps(m.Attributes)
	for _, format := range m.MediaName.Formats {
		pt, ok := numberOf(format)
		if !ok {
			continue
		}
		switch name := names[pt]; {
		case pt == uint8(PCMU), pt == uint8(PCMA), pt == uint8(G722):
			r.takes(Codec(pt))
		case strings.EqualFold(name, Opus.rtpmap()) && r.numbers.opus == 0:
			r.numbers.opus = pt
			r.opusFmtp = fmtp(m.Attributes, format)
			r.takes(Opus)
		case strings.EqualFold(name, "telephone-event/8000") && r.event == 0:
			r.event = pt
		case strings.EqualFold(name, "telephone-event/48000") && r.wideEvent == 0:
			r.wideEvent = pt
		case pt == noisePT:
			r.noise = true
		}
	}
	r.red = r.redundant(names, m.Attributes, m.MediaName.Formats)
	if len(r.codecs) == 0 {
		return remote{}, fmt.Errorf("session description: %w", ErrNoCodec)
	}
	return r, nil
}

// numberOf reads one of an m-line's formats.
func numberOf(format string) (pt uint8, ok bool) {
	n, err := strconv.ParseUint(format, 10, 7)
	return uint8(n), err == nil
}

// takes adds a codec.
func (r *remote) takes(c Codec) {
	if !slices.Contains(r.codecs, c) {
		r.codecs = append(r.codecs, c)
	}
}

// law is what we speak to it ourselves: the first G.711 of those it takes, or G.722
// where there is none.
func (r *remote) law() (c Codec, ok bool) {
	i := slices.IndexFunc(r.codecs, func(c Codec) bool { return !c.Wide() })
	if i < 0 {
		i = slices.IndexFunc(r.codecs, func(c Codec) bool { return !c.Opaque() })
	}
	if i < 0 {
		return 0, false
	}
	return r.codecs[i], true
}

// fmtp is what a=fmtp says of a payload type, if it is fit to be said again.
func fmtp(attributes []sdp.Attribute, format string) string {
	for _, a := range attributes {
		if pt, text, _ := strings.Cut(a.Value, " "); a.Key == "fmtp" && pt == format && len(text) <= maxFmtp {
			return strings.Map(func(r rune) rune {
				if r < ' ' || r > '~' {
					return -1
				}
				return r
			}, text)
		}
	}
	return ""
}

// maxFmtp is how long parameters may be, octets.
const maxFmtp = 200

// reportsOf is where RTCP goes: the port after RTP's, or what a=rtcp says
// (RFC 3605).
func reportsOf(addr netip.AddrPort, attributes []sdp.Attribute) netip.AddrPort {
	for _, a := range attributes {
		fields := strings.Fields(a.Value)
		if a.Key != "rtcp" || len(fields) == 0 {
			continue
		}
		port, err := strconv.ParseUint(fields[0], 10, 16)
		if err != nil || port < 1024 {
			continue
		}
		if len(fields) == 4 {
			if other, err := netip.ParseAddr(fields[3]); err == nil && !other.IsMulticast() {
				return netip.AddrPortFrom(other.Unmap(), uint16(port))
			}
		}
		return netip.AddrPortFrom(addr.Addr(), uint16(port))
	}
	return netip.AddrPortFrom(addr.Addr(), addr.Port()+1)
}

// direct takes a direction attribute, if there is one.
func (r *remote) direct(attributes []sdp.Attribute) {
	for _, a := range attributes {
		switch a.Key {
		case "sendrecv":
			r.sends, r.hears = true, true
		case "sendonly":
			r.sends, r.hears = true, false
		case "recvonly":
			r.sends, r.hears = false, true
		case "inactive":
			r.sends, r.hears = false, false
		}
	}
}

func rtpmaps(attributes []sdp.Attribute) map[uint8]string {
	names := make(map[uint8]string)
	for _, a := range attributes {
		if a.Key != "rtpmap" {
			continue
		}
		format, name, _ := strings.Cut(a.Value, " ")
		if pt, ok := numberOf(format); ok {
			names[pt] = strings.TrimSuffix(strings.TrimSpace(name), "/1")
		}
	}
	return names
}

// local is our half of a session.
type local struct {
	addr     netip.AddrPort
	id       uint64
	version  uint64
	codecs   []Codec
	numbers         // as we are to know them
	opusFmtp string // parameters of Opus: those of the other leg, whose sound it will be
	sends    bool
	hears    bool
	mux      bool
	secure   bool     // RTP/SAVP
	cryptos  []crypto // our keys
	lines    []string // m-lines of the offer that is answered, refused; nil = our own offer
	audio    int
}

// describe writes our half (RFC 4566, RFC 4733 §2.4).
func (l *local) describe() []byte {
	family := "IP4"
	if l.addr.Addr().Is6() {
		family = "IP6"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "v=0\r\no=tandem %d %d IN %s %s\r\ns=-\r\nc=IN %[3]s %[4]s\r\nt=0 0\r\n", l.id, l.version, family, l.addr.Addr())
	if l.lines == nil {
		l.describeAudio(&b)
	}
	for i, refused := range l.lines {
		if i == l.audio {
			l.describeAudio(&b)
		} else {
			b.WriteString(refused)
		}
	}
	return []byte(b.String())
}

// eventType is a telephone-event of one clock.
type eventType struct {
	pt   uint8
	rate uint32
}

// events are those with the clocks of the codecs (RFC 4733 §2.1).
func (l *local) events() (all []eventType) {
	if l.event != 0 {
		all = append(all, eventType{l.event, sampleRate})
	}
	if l.wideEvent != 0 && slices.Contains(l.codecs, Opus) {
		all = append(all, eventType{l.wideEvent, wideRate})
	}
	return all
}

func (l *local) describeAudio(b *strings.Builder) {
	proto := "RTP/AVP"
	if l.secure {
		proto = "RTP/SAVP"
	}
	fmt.Fprintf(b, "m=audio %d %s", l.addr.Port(), proto)
	for _, c := range l.codecs {
		fmt.Fprintf(b, " %d", l.of(c))
	}
	events := l.events()
	for _, e := range events {
		fmt.Fprintf(b, " %d", e.pt)
	}
	if l.red != 0 {
		fmt.Fprintf(b, " %d", l.red)
	}
	b.WriteString("\r\n")
	for _, c := range l.codecs {
		fmt.Fprintf(b, "a=rtpmap:%d %s\r\n", l.of(c), c.rtpmap())
		if c == Opus && l.opusFmtp != "" {
			fmt.Fprintf(b, "a=fmtp:%d %s\r\n", l.of(c), l.opusFmtp)
		}
	}
	for _, e := range events {
		fmt.Fprintf(b, "a=rtpmap:%d telephone-event/%d\r\na=fmtp:%[1]d 0-15\r\n", e.pt, e.rate)
	}
	if l.red != 0 {
		fmt.Fprintf(b, "a=rtpmap:%d red/8000\r\na=fmtp:%[1]d %d/%[2]d\r\n", l.red, l.event)
	}
	for _, c := range l.cryptos {
		fmt.Fprintf(b, "a=crypto:%v\r\n", c)
	}
	if l.mux {
		b.WriteString("a=rtcp-mux\r\n")
	}
	fmt.Fprintf(b, "a=ptime:20\r\na=%s\r\n", direction(l.sends, l.hears))
}

func direction(sends, hears bool) string {
	switch {
	case sends && hears:
		return "sendrecv"
	case sends:
		return "sendonly"
	case hears:
		return "recvonly"
	default:
		return "inactive"
	}
}
