package bridge

import (
	"context"
	"strings"
	"sync"

	"tandem/dtmf"
	"tandem/media"
)

// quickBusy are the calling codes of countries whose busy tone is as quick as the
// congestion tone of others (ITU-T E.180, supplement 2).
var quickBusy = []string{"+34", "+46", "+52", "+55"}

// meaning is what a signal says where the prospect is.
func meaning(signal dtmf.Signal, number string) dtmf.Signal {
	for _, code := range quickBusy {
		if signal == dtmf.SignalFastBusy && strings.HasPrefix(number, code) {
			return dtmf.SignalBusy
		}
	}
	return signal
}

// untilBusy is ctx while the prospect is dialled, ended as well by a busy tone in
// the early media: nobody will answer behind it. What follows the three tones of
// "is not in service" says more than we could, so that is heard to its end, and
// only remembered. said stops listening and tells what was heard.
func (c *call) untilBusy(ctx context.Context, side Side, sound *media.Stream) (_ context.Context, said func() dtmf.Signal) {
	if side != Prospect {
		return ctx, func() dtmf.Signal { return dtmf.SignalNone }
	}
	ringing, giveUp := context.WithCancelCause(ctx)
	heard, deaf := sound.Network()
	var signal dtmf.Signal
	done := make(chan struct{})
	var listening sync.WaitGroup
	listening.Go(func() {
		c.careful(func() {
			select {
			case signal = <-heard:
			case <-done:
				return
			case <-ctx.Done():
				return
			}
			if signal = meaning(signal, c.asked.To); signal == dtmf.SignalBusy || signal == dtmf.SignalFastBusy {
				giveUp(toned(signal))
			}
		})
	})
	return ringing, func() dtmf.Signal {
		deaf()
		close(done)
		listening.Wait()
		return signal
	}
}

// toned is the End that a tone of the prospect's network makes.
func toned(signal dtmf.Signal) End {
	v := bySignal[signal]
	return End{Reason: v.prospect, By: v.by(Prospect), Side: Prospect, Hangup: &Hangup{Cause: v.cause, Text: signal.String()}, Signal: signal}
}
