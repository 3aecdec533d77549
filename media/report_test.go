package media

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/pion/rtcp"
)

// TestReportsAreReadByOthers has another implementation read what is written.
func TestReportsAreReadByOthers(t *testing.T) {
	heard := block{ssrc: 8, fraction: 3, lost: 0x123456, highest: 70000, jitter: 5, last: 6, delay: 7}
	theirs := []rtcp.ReceptionReport{{SSRC: 8, FractionLost: 3, TotalLost: 0x123456, LastSequenceNumber: 70000, Jitter: 5, LastSenderReport: 6, Delay: 7}}
	for _, name := range []string{"", "a", "ab", "abc", "abcd", "0123456789abcdef"} {
		own := report{ssrc: 9, cname: name}
		check := func(want ...rtcp.Packet) {
			t.Helper()
			got, err := rtcp.Unmarshal(own.append(nil))
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v is read as %v, %v; want %v", own, got, err, want)
			}
		}
		says := rtcp.NewCNAMESourceDescription(9, name)
		check(&rtcp.ReceiverReport{SSRC: 9, ProfileExtensions: []byte{}}, says)
		own.hears, own.block = true, heard
		check(&rtcp.ReceiverReport{SSRC: 9, Reports: theirs, ProfileExtensions: []byte{}}, says)
		own.sends, own.sender, own.bye = true, sender{ntp: 1 << 40, ts: 2, packets: 3, octets: 4}, true
		check(&rtcp.SenderReport{SSRC: 9, NTPTime: 1 << 40, RTPTime: 2, PacketCount: 3, OctetCount: 4, Reports: theirs}, says, &rtcp.Goodbye{Sources: []uint32{9}})
	}
}

// FuzzReports: what is read of a datagram is what another implementation reads.
func FuzzReports(f *testing.F) {
	f.Add(words(1, 200, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6))
	f.Add(append(words(2, 201, 1, 2, 3, 4, 5, 6, 7, 2, 3, 4, 5, 6, 7), words(1, 203, 1)...))
	f.Add(bytes.Repeat([]byte{0x80, 201, 0, 1, 0, 0, 0, 1}, 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		packets, err := rtcp.Unmarshal(b)
		if err != nil {
			_ = isReports(b) // it need not look into what is not used, and must not panic
			return
		}
		if !isReports(b) {
			t.Fatalf("%x is RTCP", b)
		}
		for _, theirs := range packets {
			var ours rtcpPacket
			ours, b, _ = nextRTCP(b)
			var blocks []rtcp.ReceptionReport
			switch p := theirs.(type) {
			case *rtcp.SenderReport:
				blocks = p.Reports
				if ours.kind != rtcpSR || ours.source() != p.SSRC || ours.sent() != p.NTPTime {
					t.Errorf("%+v, want %+v", ours, p)
				}
			case *rtcp.ReceiverReport:
				blocks = p.Reports
				if ours.kind != rtcpRR || ours.source() != p.SSRC {
					t.Errorf("%+v, want %+v", ours, p)
				}
			default:
				continue
			}
			if int(ours.count) != len(blocks) {
				t.Fatalf("%d blocks, want %d", ours.count, len(blocks))
			}
			for i, w := range blocks {
				want := block{w.SSRC, w.FractionLost, w.TotalLost, w.LastSequenceNumber, w.Jitter, w.LastSenderReport, w.Delay}
				if got := ours.block(i); got != want {
					t.Errorf("block %d: %+v, want %+v", i, got, want)
				}
			}
		}
	})
}
