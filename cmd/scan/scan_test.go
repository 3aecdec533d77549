package scan

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/dtmf"
	"tandem/media"
)

// wav is a file of 16-bit samples at 8 kHz.
func wav(t *testing.T, samples []int16) string {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("RIFF")
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	put(uint32(36 + 2*len(samples)))
	b.WriteString("WAVEfmt ")
	put(struct {
		Size           uint32
		Kind, Channels uint16
		Rate, Bytes    uint32
		Block, Bits    uint16
	}{16, 1, 1, 8000, 16000, 2, 16})
	b.WriteString("data")
	put(uint32(2 * len(samples)))
	put(samples)
	return file(t, "sound.wav", b.Bytes())
}

func file(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tape writes a pcap file of IPv4 over Ethernet, packet by packet.
type tape struct {
	b  bytes.Buffer
	at time.Duration
}

func newTape() *tape {
	t := new(tape)
	_ = binary.Write(&t.b, binary.LittleEndian, []uint32{0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1})
	return t
}

// udp adds one datagram from port to port 4000.
func (t *tape) udp(port uint16, payload []byte) {
	frame := append(make([]byte, 12), 0x08, 0)
	frame = append(frame, 0x45, 0)
	frame = binary.BigEndian.AppendUint16(frame, uint16(28+len(payload)))
	frame = append(frame, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2)
	frame = binary.BigEndian.AppendUint16(frame, port)
	frame = binary.BigEndian.AppendUint16(frame, 4000)
	frame = binary.BigEndian.AppendUint16(frame, uint16(8+len(payload)))
	frame = append(append(frame, 0, 0), payload...)
	size := uint32(len(frame))
	_ = binary.Write(&t.b, binary.LittleEndian, []uint32{1000 + uint32(t.at/time.Second), uint32(t.at % time.Second / time.Microsecond), size, size})
	t.b.Write(frame)
}

func rtp(pt uint8, seq uint16, ts uint32, payload []byte) []byte {
	b := []byte{0x80, pt}
	b = binary.BigEndian.AppendUint16(b, seq)
	b = binary.BigEndian.AppendUint32(b, ts)
	return append(append(b, 0, 0, 0, 7), payload...)
}

// key adds the packets of one press, 20 ms apart, to the stream of a port.
func (t *tape) key(port uint16, pt uint8, digit byte, seq uint16, ts uint32, rate int) {
	step := rate / 50
	for i := range 8 {
		t.udp(port, rtp(pt, seq+uint16(i), ts, dtmf.AppendEvent(nil, digit, i >= 5, 10, uint16(step*min(i+1, 6)))))
		if i < 5 {
			t.at += 20 * time.Millisecond
		}
	}
}

func want(t *testing.T, got []Press, err error, digits string, starts ...int) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for i, p := range got {
		said.WriteString(p.Digit)
		if i < len(starts) && (p.StartMS < starts[i]-5 || p.StartMS > starts[i]+5) {
			t.Errorf("%s begins at %d ms, not at %d", p.Digit, p.StartMS, starts[i])
		}
		if held := p.EndMS - p.StartMS; held < 70 || held > 130 {
			t.Errorf("%s lasts %d ms", p.Digit, held)
		}
	}
	if said.String() != digits {
		t.Errorf("found %q, want %q: %+v", said.String(), digits, got)
	}
}

func TestTonesInAWAVFileAreFound(t *testing.T) {
	sound := make([]int16, 4000)
	for _, key := range []byte("159#") {
		sound = dtmf.AppendTone(sound, key, 100*time.Millisecond, -10)
		sound = append(sound, make([]int16, 800)...)
	}
	sound = sound[:len(sound)-800] // the last ends with the file
	got, err := File(wav(t, sound), nil)
	want(t, got, err, "159#", 500, 700, 900, 1100)
}

func TestEventsOfACaptureAreFoundWithTheirClock(t *testing.T) {
	for _, rate := range []int{8000, 16000, 48000} {
		tape := newTape()
		tape.udp(9, []byte("INVITE sip:x SIP/2.0\r\n\r\n"))
		tape.at = 200 * time.Millisecond
		ts := uint32(1<<32 - 20*rate/50) // wraps between the presses
		tape.key(5000, 101, '7', 65530, ts, rate)
		tape.at = 700 * time.Millisecond
		tape.key(5000, 101, '8', 8, ts+uint32(rate/2), rate)
		got, err := File(file(t, "a.pcap", tape.b.Bytes()), nil)
		want(t, got, err, "78", 200, 700)
		got, err = File(file(t, "b.pcap", tape.b.Bytes()), []media.Format{{PT: 101, Name: "telephone-event", Rate: rate}})
		want(t, got, err, "78", 200, 700)
		got, err = File(file(t, "c.pcap", tape.b.Bytes()), []media.Format{{PT: 96, Name: "telephone-event", Rate: rate}})
		want(t, got, err, "")
	}
}

// TestRedundantEventsAreFound: RFC 2198, each packet with the one before it, and
// all but one of a press lost.
func TestRedundantEventsAreFound(t *testing.T) {
	tape := newTape()
	for i, digit := range []byte("42") {
		ts := uint32(1000 + 4000*i)
		tape.at = time.Duration(i) * 500 * time.Millisecond
		payload := []byte{0x80 | 101, 0, 0, 4, 101}
		payload = dtmf.AppendEvent(payload, digit, false, 10, 640)
		payload = dtmf.AppendEvent(payload, digit, true, 10, 800)
		tape.udp(5000, rtp(121, uint16(10+i*25), ts, payload))
	}
	for _, formats := range [][]media.Format{nil, {{PT: 101, Name: "telephone-event", Rate: 8000}, {PT: 121, Name: "red", Rate: 8000}}} {
		got, err := File(file(t, "a.pcap", tape.b.Bytes()), formats)
		want(t, got, err, "42", 0, 500)
	}
}

func TestStreamsOfACaptureAreApart(t *testing.T) {
	tape := newTape()
	tape.key(5000, 101, '1', 1, 0, 8000)
	tape.at = 0
	tape.key(6000, 101, '1', 1, 0, 8000)
	got, err := File(file(t, "a.pcap", tape.b.Bytes()), nil)
	want(t, got, err, "11")
	if got[0].Stream == got[1].Stream {
		t.Errorf("both are of stream %s", got[0].Stream)
	}
}

func TestWhatIsNoRecordingIsRefused(t *testing.T) {
	for name, data := range map[string][]byte{
		"text": []byte("no recording"), "empty": nil, "short": {0xd4, 0xc3}, "torn": newTape().b.Bytes()[:20],
	} {
		if _, err := File(file(t, name, data), nil); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

func FuzzCapture(f *testing.F) {
	tape := newTape()
	tape.key(5000, 101, '1', 1, 0, 8000)
	f.Add(tape.b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = File(file(t, "fuzz", data), nil)
	})
}
