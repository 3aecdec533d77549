package sip

import (
	"bytes"
	"testing"
)

func TestNormalise(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"well-formed", "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\nbody\n\r\n", "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\nbody\n\r\n"},
		{"keep-alive in front", "\r\n\r\nSIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n", "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n"},
		{"bare LF", "SIP/2.0 200 OK\nCSeq: 1 INVITE\n\nv=0\no=x\n", "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\nv=0\no=x\n"},
		{"no reason phrase", "SIP/2.0 183\r\nCSeq: 1 INVITE\r\n\r\n", "SIP/2.0 183 \r\nCSeq: 1 INVITE\r\n\r\n"},
		{"CSeq with spaces", "SIP/2.0 200 OK\r\nCSeq :  1   INVITE \r\n\r\n", "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n"},
		{"short names", "SIP/2.0 200 OK\r\nk: timer\r\nx: 1800\r\nv: y\r\n\r\nk: body", "SIP/2.0 200 OK\r\nSupported: timer\r\nSession-Expires: 1800\r\nv: y\r\n\r\nk: body"},
		{"no empty line", "OPTIONS sip:a SIP/2.0\r\nCSeq: 1 OPTIONS\r\n", "OPTIONS sip:a SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n"},
		{"nothing in it", "\r\n\r\n", ""},
		{"zeros", "\x00\x00\x00\x00", ""},
	}
	for _, tt := range tests {
		if got := normalise([]byte(tt.in)); string(got) != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestWellFormedMessageIsNotCopied(t *testing.T) {
	message := []byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nCSeq: 1 INVITE\r\nContent-Length: 3\r\n\r\nabc")
	if n := testing.AllocsPerRun(100, func() { normalise(message) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzNormalise(f *testing.F) {
	f.Add([]byte("\nSIP/2.0 200\nCSeq:  1  INVITE\nk : a\n\nbody\r\n"))
	for _, m := range allTorture(f) {
		f.Add([]byte(m.raw))
	}
	f.Fuzz(func(t *testing.T, datagram []byte) {
		once := normalise(bytes.Clone(datagram))
		if again := normalise(bytes.Clone(once)); !bytes.Equal(once, again) {
			t.Errorf("%q becomes %q, then %q", datagram, once, again)
		}
	})
}
