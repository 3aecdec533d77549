package media

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

const usualSDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" +
	"m=audio 4000 RTP/AVP 8 0 101 18\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"

func TestParseSDP(t *testing.T) {
	usual := remote{addr: described, codecs: []Codec{PCMA, PCMU}, numbers: numbers{event: 101}, sends: true, hears: true, lines: []string{"m=audio 0 RTP/AVP 8\r\n"}}
	change := func(f func(*remote)) remote {
		r := usual
		f(&r)
		return r
	}
	held := change(func(r *remote) { r.hears = false })
	tests := []struct {
		name, body string
		want       remote
		err        string
	}{
		{"usual", usualSDP, usual, ""},
		{"hold by sendonly", usualSDP + "a=sendonly\r\n", held, ""},
		{"hold by inactive", usualSDP + "a=inactive\r\n", change(func(r *remote) { r.sends, r.hears = false, false }), ""},
		{"hold by 0.0.0.0", strings.ReplaceAll(usualSDP, "c=IN IP4 192.0.2.1", "c=IN IP4 0.0.0.0"),
			change(func(r *remote) { r.addr, r.hears = netip.MustParseAddrPort("0.0.0.0:4000"), false }), ""},
		{"no telephone-event", strings.ReplaceAll(usualSDP, " 101 18", " 18"), change(func(r *remote) { r.event = 0 }), ""},
		{"video beside it", usualSDP + "m=video 5000 RTP/AVP 99\r\n", change(func(r *remote) { r.lines = append(slices.Clone(r.lines), "m=video 0 RTP/AVP 99\r\n") }), ""},
		{"fax, refused, beside it", usualSDP + "m=image 0 udptl t38\r\na=T38FaxVersion:0\r\n", change(func(r *remote) { r.lines = append(slices.Clone(r.lines), "m=image 0 udptl t38\r\n") }), ""},
		{"fax only", strings.ReplaceAll(usualSDP, "m=audio 4000 RTP/AVP 8 0 101 18", "m=image 4000 udptl t38"), remote{}, "no audio"},
		{"only G.729", strings.ReplaceAll(usualSDP, "AVP 8 0", "AVP 18"), remote{}, "no common codec"},
		{"refused audio", strings.ReplaceAll(usualSDP, "audio 4000", "audio 0"), remote{}, "no audio"},
		{"SRTP only", strings.ReplaceAll(usualSDP, "RTP/AVP", "RTP/SAVP"), remote{}, "no audio"},
		{"a name for an address", strings.ReplaceAll(usualSDP, "c=IN IP4 192.0.2.1", "c=IN IP4 host.example"), remote{}, "no unicast address"},
		{"multicast", strings.ReplaceAll(usualSDP, "c=IN IP4 192.0.2.1", "c=IN IP4 224.0.0.1/127"), remote{}, "no unicast address"},
		{"a port of the system's", strings.ReplaceAll(usualSDP, "audio 4000", "audio 80"), remote{}, "port 80"},
		{"empty", "", remote{}, "session description"},
		{"huge", strings.Repeat("a", maxSDP+1), remote{}, "too many"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseSDP([]byte(tt.body))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || got.addr != tt.want.addr || !slices.Equal(got.codecs, tt.want.codecs) || got.event != tt.want.event ||
				got.sends != tt.want.sends || got.hears != tt.want.hears || !slices.Equal(got.lines, tt.want.lines) {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
	if _, err := parseSDP([]byte(strings.ReplaceAll(usualSDP, "AVP 8 0", "AVP 18"))); !errors.Is(err, ErrNoCodec) {
		t.Errorf("no common codec is %v", err)
	}
}

func TestWhatWeDescribeIsWhatIsRead(t *testing.T) {
	for _, addr := range []string{"192.0.2.7:20000", "[2001:db8::7]:20002"} {
		l := local{addr: netip.MustParseAddrPort(addr), id: 5, version: 6, codecs: []Codec{PCMU, PCMA}, numbers: numbers{event: 101}, sends: true,
			lines: []string{"m=video 0 RTP/SAVPF 96\r\n", "", "m=application 0 UDP/BFCP *\r\n"}, audio: 1}
		body := l.describe()
		r, err := parseSDP(body)
		if err != nil || r.addr != l.addr || !slices.Equal(r.codecs, l.codecs) || r.event != 101 || !r.sends || r.hears || len(r.lines) != 3 || r.audio != 1 || r.active != 1 {
			t.Errorf("%s is read as %+v, %v", body, r, err)
		}
		if !bytes.HasPrefix(body, []byte("v=0\r\no=tandem 5 6 IN IP")) {
			t.Errorf("origin of %s", body)
		}
	}
}

// What is refused keeps its medium and protocol, also where the audio is not first.
func TestRefusedLinesAreTheOffers(t *testing.T) {
	inBubble(t, func(w *world) {
		head, audio, _ := strings.Cut(string(w.ana.sdp()), "m=audio")
		offer := head + "m=video 5000/2 RTP/SAVPF 96 97\r\na=rtpmap:96 VP8/90000\r\nm=audio" + audio +
			"m=text 5004 RTP/AVP 98\r\nm=application 5006 UDP/BFCP *\r\nm=audio 5008 RTP/SAVP 0\r\n" +
			"m=image 0 udptl t38\r\na=T38FaxVersion:0\r\nm=audio 5010 TCP/RTP/AVP 0\r\n"
		answer, err := w.rep.Reoffer([]byte(offer))
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.Lines(string(answer)) {
			if strings.HasPrefix(line, "m=") {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
		want := []string{"m=video 0 RTP/SAVPF 96", "", "m=text 0 RTP/AVP 98", "m=application 0 UDP/BFCP *", "m=audio 0 RTP/SAVP 0", "m=image 0 udptl t38", "m=audio 0 TCP/RTP/AVP 0"}
		if len(lines) != len(want) || !strings.HasPrefix(lines[1], "m=audio ") || strings.HasPrefix(lines[1], "m=audio 0") {
			t.Fatalf("answer %s", answer)
		}
		want[1] = lines[1]
		if !slices.Equal(lines, want) {
			t.Errorf("answer %q, want %q", lines, want)
		}
	})
}

func FuzzParseSDP(f *testing.F) {
	f.Add([]byte(usualSDP))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := parseSDP(body); err == nil && (len(r.codecs) == 0 || r.addr.Port() < 1024 || !r.addr.IsValid()) {
			t.Errorf("%+v", r)
		}
	})
}

func TestG711TablesAgreeWithTheLaw(t *testing.T) {
	for i := range 256 {
		for _, c := range []Codec{PCMU, PCMA} {
			sample := c.Decode(nil, []byte{byte(i)})
			if again := c.Decode(nil, c.encode(nil, sample)); again[0] != sample[0] {
				t.Errorf("%v %#x: %d becomes %d", c, i, sample[0], again[0])
			}
		}
	}
}

func TestTranscodingKeepsTheSound(t *testing.T) {
	for sample := -32000; sample <= 32000; sample += 7 {
		there := PCMU.encode(nil, []int16{int16(sample)})
		back := PCMA.Decode(nil, PCMU.transcode(nil, there))[0]
		if off := int(back) - sample; off > 200+abs(sample)/12 || -off > 200+abs(sample)/12 {
			t.Fatalf("%d becomes %d", sample, back)
		}
	}
}

func abs(n int) int { return max(n, -n) }

// An answer to our one stream that cannot be used says in which way.
func TestAnswersThatCannotBeUsed(t *testing.T) {
	for name, tt := range map[string]struct {
		answer string
		want   error
	}{
		"none":                  {"", ErrNoAnswer},
		"port 0":                {strings.ReplaceAll(usualSDP, "audio 4000", "audio 0"), ErrNoPort},
		"two streams":           {usualSDP + "m=audio 5000 RTP/AVP 0\r\n", ErrTwoMedia},
		"video too":             {usualSDP + "m=video 5000 RTP/AVP 99\r\n", ErrTwoMedia},
		"video, but refused":    {usualSDP + "m=video 0 RTP/AVP 99\r\n", nil},
		"a codec of its own":    {strings.ReplaceAll(usualSDP, "AVP 8 0", "AVP 18"), ErrNoCodec},
		"a codec not asked for": {strings.ReplaceAll(usualSDP, "AVP 8 0 101 18", "AVP 8"), ErrNoCodec},
	} {
		s := &Stream{side: Side{Codecs: []Codec{PCMU}}}
		var err error
		if theirs, parsed := parseSDP([]byte(tt.answer)); tt.answer == "" {
			err = s.Accept(nil)
		} else if parsed != nil || tt.want != nil {
			err = s.agree([]byte(tt.answer))
		} else if theirs.active != 1 {
			t.Errorf("%s: %d streams", name, theirs.active)
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}
