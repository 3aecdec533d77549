package media

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestSessionParameters: a line with a parameter that changes what packets look
// like is not used, one that is only a hint is; what is no line at all is an error
// (RFC 4568 §6.1, §6.3).
func TestSessionParameters(t *testing.T) {
	key := "inline:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 30))
	for value, want := range map[string]struct {
		usable, bad bool
		mki         string
	}{
		key:                                  {usable: true},
		key + "|2^20":                        {usable: true},
		key + "|1048576":                     {usable: true},
		key + "|2^48":                        {usable: true},
		key + "|2^49":                        {bad: true},
		key + "|0":                           {bad: true},
		key + "|often":                       {bad: true},
		key + "|":                            {usable: true},
		key + "|2^20|1:4":                    {usable: true, mki: "\x00\x00\x00\x01"},
		key + "|1:1":                         {usable: true, mki: "\x01"},
		key + "|300:1":                       {bad: true}, // which is no octet
		key + "|1:0":                         {bad: true},
		key + "|1:129":                       {bad: true},
		key + "|-1:4":                        {bad: true},
		key + "|1:4|2^20":                    {bad: true}, // the wrong way round
		key + "|2^20|1:4|2:4":                {bad: true},
		key + "|1:4;" + key + "|2:4":         {}, // several keys
		key + " KDR=1":                       {},
		key + " UNENCRYPTED_SRTP":            {},
		key + " UNENCRYPTED_SRTCP":           {},
		key + " UNAUTHENTICATED_SRTP":        {},
		key + " FEC_ORDER=SRTP_FEC":          {},
		key + " FEC_KEY=" + key:              {},
		key + " SOMETHING=new":               {},
		key + " WSH=128":                     {usable: true},
		key + " -optional=1":                 {usable: true},
		key + " WSH=128 UNENCRYPTED_SRTP":    {},
		key + " -optional UNENCRYPTED_SRTCP": {},
	} {
		c, usable, err := parseCrypto("3 " + aes80 + " " + value)
		if usable != want.usable || errors.Is(err, ErrBadCrypto) != want.bad || usable && c.mki != want.mki {
			t.Errorf("%s: usable %v, %v, identifier %x", value, usable, err, c.mki)
		}
	}
}

// line is a description with crypto lines as they are given.
func (p *phone) lines(values ...string) []byte {
	text := bytes.ReplaceAll(p.sdp(), []byte("RTP/AVP"), []byte("RTP/SAVP"))
	for _, v := range values {
		text = fmt.Appendf(text, "a=crypto:%s\r\n", v)
	}
	return text
}

// TestLineWithAParameterIsPassedOver for the next, and without one refuses the
// offer.
func TestLineWithAParameterIsPassedOver(t *testing.T) {
	inBubble(t, func(w *world) {
		s, ann := secureLeg(w, SRTPOptional, "10.0.0.7")
		s.Offer()
		inline := "inline:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 30))
		answer, err := s.Reoffer(ann.lines("1 "+aes80+" "+inline+" UNENCRYPTED_SRTP", "2 "+aes80+" "+inline))
		if err != nil {
			t.Fatal(err)
		}
		if tag, _ := keyOf(t, answer, aes80); tag != 2 {
			t.Errorf("line %d is taken", tag)
		}
		if _, err := s.Reoffer(ann.lines("1 "+aes80+" "+inline+" KDR=1", "2 "+aes80+" "+inline+" UNENCRYPTED_SRTCP")); !errors.Is(err, ErrBadCrypto) {
			t.Errorf("no line can be used, and the offer is taken: %v", err)
		}
		if err := s.Accept(ann.lines("1 " + aes80 + " " + inline + " UNENCRYPTED_SRTP")); !errors.Is(err, ErrBadCrypto) {
			t.Errorf("an answer that changes the packets: %v", err)
		}
	})
}

// secureTalk is a phone that sends SRTP with what its descriptions say.
type secureTalk struct {
	*phone
	by  *handSRTP
	mki []byte
	roc map[uint32]uint32
}

// say sends n packets, 20 ms apart.
func (p *secureTalk) say(n int) {
	for range n {
		b := p.by.seal(rtpAt(p.seq, p.ts, p.ssrc), p.roc[p.ssrc])
		at := len(b) - 10
		b = append(append(bytes.Clone(b[:at]), p.mki...), b[at:]...)
		if _, err := p.conn.WriteToUDPAddrPort(b, p.to); err != nil {
			p.t.Fatal(err)
		}
		if p.seq++; p.seq == 0 {
			p.roc[p.ssrc]++
		}
		p.ts += frameSamples
		<-time.After(frameTime)
	}
}

func rtpAt(seq uint16, ts, ssrc uint32) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0x80, 0}, seq)
	b = binary.BigEndian.AppendUint32(b, ts)
	return append(binary.BigEndian.AppendUint32(b, ssrc), bytes.Repeat([]byte{0x21}, frameSamples)...)
}

// TestKeysOverALongCall: the count of wraps outlives a hold and another source; a
// key given anew by a re-INVITE is used from then on, and the one before no more;
// an identifier, where there is one, must be the key's.
func TestKeysOverALongCall(t *testing.T) {
	inBubble(t, func(w *world) {
		s, ann := secureLeg(w, SRTPRequired, "10.0.0.7")
		tag, ours := keyOf(t, s.Offer(), aes80)
		keyed := func(octet byte, more string) (master []byte, line string) {
			master = bytes.Repeat([]byte{octet}, 30)
			return master, fmt.Sprintf("%d %s inline:%s%s", tag, aes80, base64.StdEncoding.EncodeToString(master), more)
		}
		master, line := keyed(7, "|2^31")
		if err := s.Accept(ann.lines(line)); err != nil {
			t.Fatal(err)
		}
		defer Join(w.prospect, s)()
		p := &secureTalk{phone: ann, by: newHandSRTP(master), roc: map[uint32]uint32{}}
		passes := func(what string, n int) {
			t.Helper()
			p.say(n)
			if got := w.jane.heard(); len(got) != n {
				t.Fatalf("%s: %d of %d packets", what, len(got), n)
			}
		}
		passes("a wrap", 20)
		if p.roc[p.ssrc] != 1 {
			t.Fatal("no wrap")
		}
		for _, direction := range []string{"a=sendonly\r\n", "a=inactive\r\n", "a=sendrecv\r\n"} {
			if _, err := s.Reoffer(append(ann.lines(line), direction...)); err != nil {
				t.Fatal(err)
			}
		}
		passes("after a hold", 10)
		first := p.ssrc
		p.ssrc, p.seq = 77, 65500 // one that comes between counts from nought
		<-time.After(ssrcQuiet)
		p.say(60)
		w.jane.heard()
		p.ssrc, p.seq = first, 40
		<-time.After(ssrcQuiet)
		p.say(3)
		w.jane.heard()
		passes("the first source again", 10)

		master, line = keyed(8, "|2^20|1:4")
		if answer, err := s.Reoffer(ann.lines(line)); err != nil {
			t.Fatal(err)
		} else if _, key := keyOf(t, answer, aes80); bytes.Equal(key, ours) {
			t.Error("our key stays, though theirs is another phone's, perhaps")
		} else {
			ours = key
		}
		before := s.Stats().Rejected[rejectSRTP]
		p.say(5)
		if got := w.jane.heard(); len(got) != 0 || s.Stats().Rejected[rejectSRTP]-before != 5 {
			t.Errorf("%d packets of the old key", len(got))
		}
		p.by, p.mki, p.roc[p.ssrc], p.seq = newHandSRTP(master), []byte{0, 0, 0, 1}, 0, 100
		p.say(3)
		w.jane.heard()
		passes("the new key", 10)
		p.mki = []byte{0, 0, 0, 2}
		p.say(5)
		if got := w.jane.heard(); len(got) != 0 {
			t.Errorf("%d packets of another key's identifier", len(got))
		}
		ann.heard()
		w.jane.talk(5, 0xd5)
		heard := ann.heard()
		if len(heard) != 5 {
			t.Fatalf("the other way %d of 5", len(heard))
		}
		for _, b := range heard {
			if newHandSRTP(ours).open(b.data, 0) == nil {
				t.Fatal("the other way cannot be deciphered")
			}
		}
	})
}
