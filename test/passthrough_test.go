package test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/bridge"
	"tandem/media"
	"tandem/sip"
)

// trunk is a SIP trunk with two phones behind it, whose SIP and RTP are written
// by hand: both ends must not share a library, or they share its bugs.
type trunk struct {
	t    *testing.T
	conn *net.UDPConn

	mu     sync.Mutex
	log    []string // request lines' methods, with the number called
	phones map[string]*phone
	wait   sync.WaitGroup
}

// phone answers at once, and sends sound until it is hung up.
type phone struct {
	octet   byte // its sound: the same octet over and over
	other   byte // the other's
	presses bool // 1, after it has heard something
	sock    *net.UDPConn
	invite  string
	tag     string
	mu      sync.Mutex
	heard   map[byte]int // octets, by count
	events  int
	enough  chan struct{} // closed once it has heard so many packets of the other's sound
	gone    chan struct{}
	once    sync.Once
}

func openTrunk(t *testing.T, phones map[string]*phone) *trunk {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	tr := &trunk{t: t, conn: conn, phones: phones}
	for _, p := range phones {
		p.enough, p.gone, p.heard = make(chan struct{}), make(chan struct{}), make(map[byte]int)
		if p.sock, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			t.Fatal(err)
		}
		tr.wait.Go(p.listen)
	}
	tr.wait.Go(tr.serve)
	t.Cleanup(func() {
		_ = conn.Close()
		for _, p := range phones {
			p.hangUp()
			_ = p.sock.Close()
		}
		tr.wait.Wait()
	})
	return tr
}

func (p *phone) hangUp() { p.once.Do(func() { close(p.gone) }) }

func (tr *trunk) serve() {
	b := make([]byte, 65535)
	for {
		n, from, err := tr.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		message := string(b[:n])
		line, _, _ := bufio.NewReader(strings.NewReader(message)).ReadLine()
		method, _, _ := strings.Cut(string(line), " ")
		number := numberCalled.FindStringSubmatch(headerIn(message, "To"))
		if number == nil {
			continue // a response
		}
		p := tr.phones[number[1]]
		tr.mu.Lock()
		tr.log = append(tr.log, method+" "+number[1])
		tr.mu.Unlock()
		switch method {
		case "INVITE":
			if headerIn(message, "Proxy-Authorization") == "" {
				tr.answer(from, message, "407 Proxy Authentication Required", "x", "Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n1\", qop=\"auth\"\r\n", "")
				continue
			}
			tr.mu.Lock()
			p.invite, p.tag = message, "phone"+number[1][1:]
			tr.mu.Unlock()
			tr.answer(from, message, "180 Ringing", p.tag, "", "")
			port := p.sock.LocalAddr().(*net.UDPAddr).Port
			tr.answer(from, message, "200 OK", p.tag, fmt.Sprintf("Contact: <sip:phone@%s>\r\n", tr.conn.LocalAddr()),
				fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n", port))
			tr.wait.Go(func() { p.talk(tr.t, message) })
		case "BYE":
			p.hangUp()
			tr.answer(from, message, "200 OK", "", "", "")
		}
	}
}

func (tr *trunk) answer(to netip.AddrPort, request, status, tag, extra, body string) {
	toHeader := headerIn(request, "To")
	if tag != "" {
		toHeader += ";tag=" + tag
	}
	kind := ""
	if body != "" {
		kind = "Content-Type: application/sdp\r\n"
	}
	text := fmt.Sprintf("SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n%s%sContent-Length: %d\r\n\r\n%s",
		status, headerIn(request, "Via"), headerIn(request, "From"), toHeader, headerIn(request, "Call-ID"), headerIn(request, "CSeq"),
		extra, kind, len(body), body)
	_, _ = tr.conn.WriteToUDPAddrPort([]byte(text), to)
}

// bye ends a phone's dialog from its side.
func (tr *trunk) bye(p *phone, to netip.AddrPort) {
	p.hangUp()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	text := fmt.Sprintf("BYE sip:tandem@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKbye\r\nMax-Forwards: 70\r\nFrom: %s;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
		to, tr.conn.LocalAddr(), headerIn(p.invite, "To"), p.tag, headerIn(p.invite, "From"), headerIn(p.invite, "Call-ID"))
	_, _ = tr.conn.WriteToUDPAddrPort([]byte(text), to)
}

var offeredPort = regexp.MustCompile(`m=audio (\d+) `)

// talk sends RTP as a phone does, a packet each 20 ms.
func (p *phone) talk(t *testing.T, invite string) {
	port, err := strconv.Atoi(offeredPort.FindStringSubmatch(invite)[1])
	if err != nil {
		t.Error(err)
		return
	}
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for seq := uint16(1); ; seq++ {
		select {
		case <-p.gone:
			return
		case <-ticker.C:
		}
		pt, ts, payload := byte(0), uint32(seq)*160, []byte(strings.Repeat(string(rune(p.octet)), 160))
		if p.presses && seq >= 50 && seq < 60 { // 1, held for 140 ms, with three ends
			pt, ts, payload = 101, 50*160, binary.BigEndian.AppendUint16([]byte{1, 10}, 160*(seq-49))
			if seq >= 57 {
				payload = []byte{1, 0x80 | 10, 4, 0x60}
			}
		}
		b := binary.BigEndian.AppendUint16([]byte{0x80, pt}, seq)
		b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, ts), 77)
		_, _ = p.sock.WriteToUDPAddrPort(append(b, payload...), to)
	}
}

// enoughHeard is how many packets of the other's sound a phone wants to have heard.
const enoughHeard = 40

func (p *phone) listen() {
	b := make([]byte, 1500)
	for {
		n, _, err := p.sock.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		p.mu.Lock()
		if n > 12 && b[1]&0x7f == 101 {
			p.events++
		} else if n > 12 {
			p.heard[b[12]]++
			if b[12] == p.other && p.heard[p.other] == enoughHeard {
				close(p.enough)
			}
		}
		p.mu.Unlock()
	}
}

// dialer is an Endpoint as the bridge wants it.
type dialer struct{ *sip.Endpoint }

func (d dialer) Dial(ctx context.Context, inv sip.Invite) (bridge.AnsweredLeg, error) {
	leg, err := d.Endpoint.Dial(ctx, inv)
	if err != nil {
		return nil, err
	}
	return leg, nil
}

// diary keeps events in memory, and tells of each.
type diary struct{ events chan bridge.Event }

func (d diary) Emit(_ context.Context, _ bridge.Record, events ...bridge.Event) error {
	for _, e := range events {
		d.events <- e
	}
	return nil
}

func (d diary) SaveLeg(ctx context.Context, _ bridge.SavedLeg, r bridge.Record, events ...bridge.Event) error {
	return d.Emit(ctx, r, events...)
}

// TestPassThroughOnRealSockets is the product: the rep's phone rings and is
// answered, 1 is pressed, the prospect is dialled, each hears the other, the
// prospect hangs up, and nothing is left.
func TestPassThroughOnRealSockets(t *testing.T) {
	const rep, prospect = "+441632960001", "+441632960002"
	ana, jane := &phone{octet: 0x21, other: 0x42, presses: true}, &phone{octet: 0x42, other: 0x21}
	tr := openTrunk(t, map[string]*phone{rep: ana, prospect: jane})
	at := tr.conn.LocalAddr().(*net.UDPAddr).AddrPort()

	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := sip.Open(sip.Config{
		Log:    slog.New(slog.DiscardHandler),
		UDP:    []net.PacketConn{conn},
		Trunks: []sip.TrunkConfig{{Name: "carrier", Host: "127.0.0.1", Port: at.Port(), Username: "acme", Password: "secret"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	loopback := netip.MustParseAddr("127.0.0.1")
	pool, err := media.NewPool(media.Config{Listen: media.UDP(46), Bind: loopback, MinPort: 31000, MaxPort: 31999, Silence: 30 * time.Second, Symmetric: true})
	if err != nil {
		t.Fatal(err)
	}
	book := diary{make(chan bridge.Event, 64)}
	b := bridge.New(bridge.Config{
		Trunks: dialer{endpoint}, Sound: pool, Sink: book, Limits: bridge.DefaultLimits(),
		Route: func(bridge.Side, string) []bridge.Route {
			return []bridge.Route{{Trunk: "carrier", Media: media.Side{Address: loopback, Codecs: []media.Codec{media.PCMU, media.PCMA}, EventPT: 101}}}
		},
		Policy: func() *bridge.Policy { return &bridge.Policy{Region: "GB", Allow: []string{"+44"}} },
		Sounds: bridge.Sounds{Prompt: media.Chirp(), Chirp: media.Chirp(), Ringback: media.Ringback("us"), Over: media.EndTone()},
	})
	if _, err := b.Start(t.Context(), bridge.Request{RepNumber: rep, To: prospect, CallerID: "+441632960000"}); err != nil {
		t.Fatal(err)
	}

	var record bridge.Record
	var timeline []string
	deadline := time.After(30 * time.Second)
	for record.Status != bridge.Ended {
		select {
		case e := <-book.events:
			record.Apply(e)
			timeline = append(timeline, string(e.Type))
			if e.Type == bridge.CallConnected {
				go func() {
					<-ana.enough
					<-jane.enough
					tr.bye(jane, conn.LocalAddr().(*net.UDPAddr).AddrPort())
				}()
			}
		case <-deadline:
			t.Fatalf("the call hangs after %v; the trunk saw %v; the rep heard %v, the prospect %v", timeline, tr.log, ana.heard, jane.heard)
		}
	}
	b.Drain(t.Context())
	if err := endpoint.Close(); err != nil {
		t.Error(err)
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}

	if got := *record.Ending; got != (bridge.Ending{Outcome: bridge.Completed, Reason: bridge.ReasonCompleted, By: bridge.ByProspect}) {
		t.Errorf("ended %+v", got)
	}
	want := "call.queued call.rep_dialing call.rep_ringing call.rep_answered call.rep_confirmed call.prospect_dialing " +
		"call.prospect_ringing call.prospect_answered call.connected call.updated call.updated call.ended"
	if got := strings.Join(timeline, " "); got != want {
		t.Errorf("timeline\n%s, want\n%s", got, want)
	}
	tr.mu.Lock()
	ladder := strings.Join(tr.log, "\n")
	tr.mu.Unlock()
	// The rep's leg: INVITE, its refusal's ACK, INVITE with credentials, ACK, BYE. The
	// prospect's begins with the credentials.
	for number, times := range map[string]int{rep: 2, prospect: 1} {
		if strings.Count(ladder, "INVITE "+number) != times || strings.Count(ladder, "ACK "+number) != times {
			t.Errorf("%s was asked for by\n%s", number, ladder)
		}
	}
	if strings.Count(ladder, "BYE "+rep) != 1 {
		t.Errorf("the rep was not hung up once:\n%s", ladder)
	}
	jane.mu.Lock()
	defer jane.mu.Unlock()
	if jane.events > 0 {
		t.Errorf("the prospect got %d packets of the rep's 1", jane.events)
	}
}
