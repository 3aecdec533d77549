package media

import (
	"bytes"
	"crypto/aes"
	stdcipher "crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// handSRTP is AES_CM_128_HMAC_SHA1_80 written from RFC 3711, so that both ends
// do not share a library.
type handSRTP struct{ key, salt, auth [2][]byte } // RTP, RTCP

// derive is RFC 3711 §4.3.1.
func derive(master []byte, label byte, n int) []byte {
	var iv [16]byte
	copy(iv[:], master[16:30])
	iv[7] ^= label
	return keystream(master[:16], iv, n)
}

func keystream(key []byte, iv [16]byte, n int) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	out := make([]byte, n)
	stdcipher.NewCTR(block, iv[:]).XORKeyStream(out, out)
	return out
}

func newHandSRTP(master []byte) *handSRTP {
	h := &handSRTP{}
	for i, label := range []byte{0, 3} {
		h.key[i], h.auth[i], h.salt[i] = derive(master, label, 16), derive(master, label+1, 20), derive(master, label+2, 14)
	}
	return h
}

// crypt is §4.1.1, on what follows the first size octets.
func (h *handSRTP) crypt(of int, b []byte, size int, ssrc uint32, index uint64) []byte {
	var iv [16]byte
	copy(iv[:], h.salt[of])
	for i := range 4 {
		iv[4+i] ^= byte(ssrc >> (24 - 8*i))
	}
	for i := range 6 {
		iv[8+i] ^= byte(index >> (40 - 8*i))
	}
	out := bytes.Clone(b)
	for i, k := range keystream(h.key[of], iv, len(b)-size) {
		out[size+i] ^= k
	}
	return out
}

func (h *handSRTP) tag(of int, b []byte, roc []byte) []byte {
	mac := hmac.New(sha1.New, h.auth[of])
	mac.Write(b)
	mac.Write(roc)
	return mac.Sum(nil)[:10]
}

// seal makes SRTP of a packet.
func (h *handSRTP) seal(b []byte, roc uint32) []byte {
	seq, ssrc := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[8:])
	out := h.crypt(0, b, 12, ssrc, uint64(roc)<<16|uint64(seq))
	return append(out, h.tag(0, out, binary.BigEndian.AppendUint32(nil, roc))...)
}

// open undoes it; nil if it is not of the key.
func (h *handSRTP) open(b []byte, roc uint32) []byte {
	body := b[:len(b)-10]
	if !hmac.Equal(h.tag(0, body, binary.BigEndian.AppendUint32(nil, roc)), b[len(b)-10:]) {
		return nil
	}
	return h.crypt(0, body, 12, binary.BigEndian.Uint32(b[8:]), uint64(roc)<<16|uint64(binary.BigEndian.Uint16(b[2:])))
}

// openReport undoes SRTCP (§3.4).
func (h *handSRTP) openReport(b []byte) []byte {
	body, index := b[:len(b)-14], binary.BigEndian.Uint32(b[len(b)-14:])
	if index>>31 != 1 || !hmac.Equal(h.tag(1, b[:len(b)-10], nil), b[len(b)-10:]) {
		return nil
	}
	return h.crypt(1, body, 8, binary.BigEndian.Uint32(b[4:]), uint64(index&0x7fffffff))
}

func TestHandSRTPIsRFC3711s(t *testing.T) {
	master, _ := hex.DecodeString("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6")
	h := newHandSRTP(master) // appendix B.3
	if got := hex.EncodeToString(h.key[0]); got != "c61e7a93744f39ee10734afe3ff7a087" {
		t.Errorf("cipher key %s", got)
	}
	if got := hex.EncodeToString(h.auth[0]); got != "cebe321f6ff7716b6fd4ab49af256a156d38baa4" {
		t.Errorf("auth key %s", got)
	}
}

const aes80 = "AES_CM_128_HMAC_SHA1_80"

// srtpSDP is a phone's description with a key.
func (p *phone) srtpSDP(proto string, tag int, suite string, key []byte) []byte {
	plain := strings.ReplaceAll(string(p.sdp()), "RTP/AVP", proto)
	return fmt.Appendf(nil, "%sa=crypto:%d %s inline:%s|2^31\r\n", plain, tag, suite, base64.StdEncoding.EncodeToString(key))
}

// keyOf is the key that a description of ours has for a suite.
func keyOf(t *testing.T, description []byte, suite string) (tag int, key []byte) {
	t.Helper()
	for line := range strings.Lines(string(description)) {
		fields := strings.Fields(line)
		if strings.HasPrefix(line, "a=crypto:") && fields[1] == suite {
			if _, err := fmt.Sscanf(fields[0], "a=crypto:%d", &tag); err != nil {
				t.Fatal(err)
			}
			key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(fields[2], "inline:"))
			if err != nil {
				t.Fatal(err)
			}
			return tag, key
		}
	}
	t.Fatalf("no %s in %s", suite, description)
	return 0, nil
}

// secureLeg is a leg with SRTP and its phone.
func secureLeg(w *world, mode SRTP, host string) (*Stream, *phone) {
	w.t.Helper()
	s, err := w.pool.Open(Side{Address: w.pool.cfg.Bind, Codecs: []Codec{PCMU, PCMA}, EventPT: 101, SRTP: mode})
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := w.ana.conn.wire.listen(netip.MustParseAddrPort(host + ":4000"))
	if err != nil {
		w.t.Fatal(err)
	}
	return s, &phone{t: w.t, conn: conn.(*wireConn), to: s.ours.addr, ssrc: 9, seq: 65530, ts: 4000}
}

func TestSRTPLegTalksToAPlainOne(t *testing.T) {
	inBubble(t, func(w *world) {
		s, ann := secureLeg(w, SRTPRequired, "10.0.0.7")
		offer := s.Offer()
		if !bytes.Contains(offer, []byte("RTP/SAVP")) {
			t.Fatalf("offer %s", offer)
		}
		tag, ours := keyOf(t, offer, aes80)
		theirs := bytes.Repeat([]byte{7}, 30)
		send, hear := newHandSRTP(theirs), newHandSRTP(ours)
		defer Join(w.prospect, s)()
		roc := uint32(0)
		say := func(octet byte) {
			plain := binary.BigEndian.AppendUint16([]byte{0x80, 0}, ann.seq)
			plain = binary.BigEndian.AppendUint32(plain, ann.ts)
			plain = append(binary.BigEndian.AppendUint32(plain, ann.ssrc), bytes.Repeat([]byte{octet}, frameSamples)...)
			_, _ = ann.conn.WriteToUDPAddrPort(send.seal(plain, roc), ann.to)
			if ann.seq++; ann.seq == 0 {
				roc++
			}
			ann.ts += frameSamples
			<-time.After(frameTime)
		}
		say(1) // overtakes the answer
		say(2)
		if err := s.Accept(ann.srtpSDP("RTP/SAVP", tag, aes80, theirs)); err != nil {
			t.Fatal(err)
		}
		for i := range byte(20) { // the sequence number wraps
			say(3 + i)
		}
		got := w.jane.heard()
		if len(got) != 22 {
			t.Fatalf("%d of 22 packets came through", len(got))
		}
		wantLine(t, got)
		for i, p := range got {
			if p.data[rtpHeader] != between[0][i+1] {
				t.Fatalf("packet %d is not what was said", i)
			}
		}
		w.jane.talk(10, 0xd5)
		heard := ann.heard()
		if len(heard) != 10 {
			t.Fatalf("%d of 10 packets the other way", len(heard))
		}
		for i, p := range heard {
			if b := hear.open(p.data, 0); b == nil || b[rtpHeader] != between[1][0xd5] {
				t.Fatalf("packet %d cannot be deciphered", i)
			}
		}

		forged := slicesOf(rtpOf(ann.seq, ann.ssrc), send.seal(rtpOf(ann.seq-3, ann.ssrc), roc))
		before := w.prospect.Stats().Sent
		for _, b := range forged { // one in plain, one that came before
			_, _ = ann.conn.WriteToUDPAddrPort(b, ann.to)
		}
		ann.heard()
		if stats := s.Stats(); stats.Rejected[rejectSRTP] != 2 || w.prospect.Stats().Sent != before {
			t.Errorf("what is not of the key: rejected %v, %d passed on", stats.Rejected, w.prospect.Stats().Sent-before)
		}
	})
}

func slicesOf(all ...[]byte) [][]byte { return all }

func TestSRTCPIsEnciphered(t *testing.T) {
	inBubble(t, func(w *world) {
		s, ann := secureLeg(w, SRTPOptional, "10.0.0.7")
		offer := s.Offer()
		if !bytes.Contains(offer, []byte("RTP/AVP")) {
			t.Errorf("an optional offer is %s", offer)
		}
		tag, ours := keyOf(t, offer, aes80)
		if err := s.Accept(ann.srtpSDP("RTP/AVP", tag, aes80, bytes.Repeat([]byte{7}, 30))); err != nil {
			t.Fatal(err)
		}
		reports := w.reporter(ann, 4001)
		<-time.After(2 * reportEvery)
		got := reports.heard()
		if len(got) == 0 {
			t.Fatal("no report")
		}
		clear := newHandSRTP(ours).openReport(got[0].data)
		if clear == nil || readRTCP(t, clear)[1].kind != 202 {
			t.Errorf("report %x becomes %x", got[0].data, clear)
		}
	})
}

func TestTermsOfSRTP(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 30)
	inBubble(t, func(w *world) {
		plain := func(p *phone, _ int) []byte { return p.sdp() }
		with := func(proto, suite string, key []byte) func(*phone, int) []byte {
			return func(p *phone, tag int) []byte { return p.srtpSDP(proto, tag, suite, key) }
		}
		for i, tt := range []struct {
			name   string
			mode   SRTP
			answer func(p *phone, tag int) []byte
			err    error
			sealed bool
		}{
			{"none, plain", SRTPNone, plain, nil, false},
			{"none, crypto ignored", SRTPNone, with("RTP/AVP", aes80, key), nil, false},
			{"none, SAVP", SRTPNone, with("RTP/SAVP", aes80, key), ErrNotPlain, false},
			{"optional, plain", SRTPOptional, plain, nil, false},
			{"optional, AVP with a key", SRTPOptional, with("RTP/AVP", aes80, key), nil, true},
			{"optional, SAVP", SRTPOptional, with("RTP/SAVP", aes80, key), nil, true},
			{"optional, AVP with a bad key", SRTPOptional, with("RTP/AVP", aes80, key[1:]), ErrBadCrypto, false},
			{"required, plain", SRTPRequired, plain, ErrPlain, false},
			{"required, SAVP", SRTPRequired, with("RTP/SAVP", aes80, key), nil, true},
			{"required, short key", SRTPRequired, with("RTP/SAVP", aes80, key[1:]), ErrBadCrypto, false},
			{"required, other suite", SRTPRequired, with("RTP/SAVP", "AES_256_CM_HMAC_SHA1_80", bytes.Repeat([]byte{7}, 46)), ErrBadCrypto, false},
			{"required, unknown suite", SRTPRequired, with("RTP/SAVP", "F8_128_HMAC_SHA1_80", key), ErrBadCrypto, false},
			{"required, other tag", SRTPRequired, func(p *phone, tag int) []byte { return p.srtpSDP("RTP/SAVP", tag+5, aes80, key) }, ErrBadCrypto, false},
		} {
			s, ann := secureLeg(w, tt.mode, fmt.Sprintf("10.0.1.%d", i+1))
			tag := 1
			if tt.mode != SRTPNone {
				tag, _ = keyOf(t, s.Offer(), aes80)
			}
			err := s.Accept(tt.answer(ann, tag))
			if !errors.Is(err, tt.err) || (s.cipher != nil) != tt.sealed || (s.in.cipher != nil) != tt.sealed {
				t.Errorf("%s: %v, enciphered %v", tt.name, err, s.cipher != nil)
			}
			s.Close()
			<-time.After(5 * time.Second) // the port cools
		}
	})
}

func TestKeysStayAcrossHoldAndChangeWithThePhone(t *testing.T) {
	inBubble(t, func(w *world) {
		s, ann := secureLeg(w, SRTPOptional, "10.0.0.7")
		tag, first := keyOf(t, s.Offer(), aes80)
		key := bytes.Repeat([]byte{7}, 30)
		if err := s.Accept(ann.srtpSDP("RTP/SAVP", tag, aes80, key)); err != nil {
			t.Fatal(err)
		}
		in, out := s.in.cipher, s.cipher
		answer, err := s.Reoffer(append(ann.srtpSDP("RTP/SAVP", 4, aes80, key), "a=sendonly\r\n"...))
		if err != nil || !bytes.Contains(answer, []byte("RTP/SAVP")) {
			t.Fatalf("answer %s, %v", answer, err)
		}
		if tag, same := keyOf(t, answer, aes80); tag != 4 || !bytes.Equal(same, first) || s.in.cipher != in || s.cipher != out {
			t.Errorf("a hold changes keys: tag %d", tag)
		}
		answer, err = s.Reoffer(ann.srtpSDP("RTP/SAVP", 1, aes80, bytes.Repeat([]byte{8}, 30)))
		if err != nil {
			t.Fatal(err)
		}
		if _, other := keyOf(t, answer, aes80); bytes.Equal(other, first) || s.in.cipher == in || s.cipher == out {
			t.Error("another phone has the old key")
		}
		if _, err := s.Reoffer(ann.srtpSDP("RTP/SAVP", 1, aes80, key[1:])); !errors.Is(err, ErrBadCrypto) || s.in.cipher == nil {
			t.Errorf("a bad offer: %v", err)
		}
		if answer, err = s.Reoffer(ann.srtpSDP("RTP/SAVP", 2, "AEAD_AES_256_GCM", bytes.Repeat([]byte{7}, 44))); err != nil {
			t.Fatal(err)
		}
		keyOf(t, answer, "AEAD_AES_256_GCM")
		if answer, err = s.Reoffer(ann.sdp()); err != nil || bytes.Contains(answer, []byte("crypto")) || s.cipher != nil {
			t.Errorf("back in plain: %s, %v", answer, err)
		}
	})
}

// TestEverySuiteComesBack, without allocating but for what the library's pool of
// buffers forgets under the race detector.
func TestEverySuiteComesBack(t *testing.T) {
	for _, of := range suites {
		c := newCrypto(1, of)
		out, err := rekey(nil, c)
		if err != nil {
			t.Fatal(err)
		}
		in, err := rekey(nil, c)
		if err != nil {
			t.Fatal(err)
		}
		seq := uint16(0)
		packet := rtpOf(0, 5)
		n := testing.AllocsPerRun(200, func() {
			seq++
			binary.BigEndian.PutUint16(packet[2:], seq)
			sealed, err := out.seal(packet)
			if err != nil {
				t.Fatal(err)
			}
			if clear, ok := in.open(sealed); !ok || !bytes.Equal(clear, packet) {
				t.Fatalf("%s: %x", of.name, clear)
			}
		})
		if n > 1 {
			t.Errorf("%s: %v allocations a packet", of.name, n)
		}
	}
}

func FuzzParseCrypto(f *testing.F) {
	f.Add("1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32")
	f.Add("2 AEAD_AES_128_GCM inline:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw==")
	f.Fuzz(func(t *testing.T, value string) {
		c, usable, err := parseCrypto(value)
		if !usable {
			return
		}
		if again, ok, _ := parseCrypto(c.String()); err != nil || !ok || again != c {
			t.Errorf("%q is %v, then %v", value, c, again)
		}
		if _, err := rekey(nil, c); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkSRTP is what SRTP adds to a leg's packet there and one back: one of ours
// is enciphered, and one of the far end's deciphered.
func BenchmarkSRTP(b *testing.B) {
	for _, of := range suites {
		b.Run(of.name, func(b *testing.B) {
			key := newCrypto(1, of)
			ours, err := rekey(nil, key)
			if err != nil {
				b.Fatal(err)
			}
			theirs, err := rekey(nil, key)
			if err != nil {
				b.Fatal(err)
			}
			packet, seq := rtpOf(0, 5), uint16(0)
			b.ReportAllocs()
			for b.Loop() {
				binary.BigEndian.PutUint16(packet[2:], seq)
				seq++
				sealed, err := ours.seal(packet)
				if err != nil {
					b.Fatal(err)
				}
				if clear, ok := theirs.open(sealed); !ok || len(clear) != len(packet) {
					b.Fatal("not opened")
				}
			}
		})
	}
}
