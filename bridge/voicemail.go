package bridge

import (
	"context"
	"time"
)

// A rep's phone rings until beforeVoicemail before its voicemail is known to
// pick up [T_ring_A], within these.
const (
	beforeVoicemail = 2 * time.Second
	ringAtLeast     = 10 * time.Second
	ringAtMost      = 45 * time.Second
)

// voicemail is after how long of ringing the rep's voicemail picked up before;
// 0 = not known. Behind an extension it is a PBX that answers first.
func (c *call) voicemail(ctx context.Context) time.Duration {
	past := c.Policy().Past
	if past == nil || c.asked.RepExtension != "" {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	after, err := past.Voicemail(ctx, c.asked.RepNumber)
	if err != nil {
		c.log.Warn("bridge: rep's voicemail not looked up", "err", err)
	}
	return after
}

// repRing is how long the rep's phone may ring.
func (l *Limits) repRing(voicemail time.Duration) time.Duration {
	if voicemail == 0 {
		return l.RepRing
	}
	return min(max(voicemail-beforeVoicemail, ringAtLeast), ringAtMost)
}

// rang is how long the rep's phone rang before it was answered; 0 = it did not.
func (r *Record) rang() time.Duration {
	if r.Rep.RingingAt.IsZero() {
		return 0
	}
	return r.Rep.AnsweredAt.Sub(r.Rep.RingingAt)
}

// beeped ends a call that a voicemail took. How long it rang is remembered,
// unless it was so short that the phone was off.
func (c *call) beeped() End {
	end := End{Reason: ReasonRepVoicemail, By: BySystem}
	record := c.get()
	if rang := record.rang(); rang > ringAtLeast && c.asked.RepExtension == "" {
		end.Voicemail = rang
	}
	return end
}

// byPerson says that who answered is no voicemail: that takes its time.
func (c *call) byPerson() bool {
	record := c.get()
	rang := record.rang()
	return rang > 0 && rang < c.machineAfter-beforeVoicemail
}
