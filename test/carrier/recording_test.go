package carrier

import (
	"testing"
	"time"
)

// TestReportIsNoSound: a report that comes before the first sound, as one for
// the phone on the port below does, has no place in the recording.
func TestReportIsNoSound(t *testing.T) {
	now := time.Unix(0, 0)
	report := append([]byte{0x81, 200, 0, 6, 1, 2, 3, 4, 0xee, 0xee, 0xee, 0xee}, make([]byte, 48)...)
	sound := append([]byte{0x80, 0, 0, 1, 0, 0, 0, 160, 9, 9, 9, 9}, tones(0, 1000)...)
	var r Recording
	r.add(report, now)
	r.add(sound, now)
	if r.Packets != 1 || r.SSRCs != 1 || r.Tone(1000) != frame {
		t.Errorf("heard %d packets, %d sources, %v of the tone", r.Packets, r.SSRCs, r.Tone(1000))
	}
}
