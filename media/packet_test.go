package media

import (
	"bytes"
	"testing"

	"github.com/pion/rtp"
)

// FuzzParseRTP holds our reader of headers to that of a library.
func FuzzParseRTP(f *testing.F) {
	f.Add([]byte("\x80\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03sound"))
	f.Add([]byte("\xb1\x88\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03csrc\xbe\xde\x00\x01\x10\x00\x00\x00sound\x00\x00\x03"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, ok := parseRTP(b)
		var theirs rtp.Packet
		err := theirs.Unmarshal(b)
		if !ok {
			return // they take other versions, and no payload under padding
		}
		if err != nil {
			if h.size == rtpHeader+4*int(b[0]&0x0f) {
				t.Fatalf("%x is taken; theirs: %v", b, err)
			}
			return // they look into extensions
		}
		same := h.pt == theirs.PayloadType && h.seq == theirs.SequenceNumber && h.ts == theirs.Timestamp &&
			h.ssrc == theirs.SSRC && h.marker == theirs.Marker && bytes.Equal(payload, theirs.Payload)
		if !same {
			t.Fatalf("%x is %+v %x, theirs %+v", b, h, payload, theirs)
		}
	})
}
