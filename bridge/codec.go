package bridge

import (
	"context"
	"fmt"
	"slices"

	"tandem/media"
)

// tongues is what a call knows of what its legs speak.
type tongues struct {
	legs    map[Side]AnsweredLeg // that are answered
	changed chan struct{}        // a far end may speak another codec
}

// accept takes the answer of one side. A rep's phone that takes nothing we can
// speak, but Opus, is asked for G.711 at once: it must hear the prompt.
func (c *call) accept(ctx context.Context, side Side, leg AnsweredLeg, sound *media.Stream) error {
	if err := sound.Accept(leg.Answer()); err != nil {
		return err
	}
	c.legs[side] = leg
	law, spoken := sound.Law()
	if spoken || side == Prospect {
		return nil
	}
	if err := c.change(ctx, side, law); err != nil {
		return fmt.Errorf("%w: %w", media.ErrNoCodec, err)
	}
	return nil
}

// retunes is how often the legs of one call are asked to change at most.
const retunes = 8

// keepCodec keeps both legs in one codec where one of them speaks a wide one, until
// ctx ends. Where one speaks what can only be passed on, and the other does not take
// that, the call is over.
func (c *call) keepCodec(ctx context.Context) {
	for range retunes {
		if err := c.retune(ctx); err != nil && ctx.Err() == nil {
			c.end(End{Reason: badCodec.of(Prospect), By: BySystem, Side: Prospect, Err: err})
			return
		}
		select {
		case <-c.changed:
		case <-ctx.Done():
			return
		}
	}
	c.log.Warn("bridge: the far ends do not settle on a codec")
}

// mayBeWide reports whether a trunk in use has more than G.711.
func (c *call) mayBeWide() bool {
	for _, route := range c.routes {
		if slices.ContainsFunc(route[0].Media.Codecs, media.Codec.Wide) {
			return true
		}
	}
	return false
}

// retune asks the leg that speaks another codec to speak the wide one of the
// other, if its far end takes it; else the wide one for G.711.
func (c *call) retune(ctx context.Context) error {
	prospect, _ := c.prospect.Codec()
	rep, _ := c.rep.Codec()
	switch {
	case prospect == rep, !prospect.Wide() && !rep.Wide():
		return nil
	case prospect.Wide() && c.rep.Takes(prospect):
		err := c.change(ctx, Rep, prospect)
		if err == nil {
			return nil
		}
		c.log.Info("bridge: stays in G.711", "side", Rep, "err", err)
	case rep.Wide() && c.prospect.Takes(rep):
		err := c.change(ctx, Prospect, rep)
		if err == nil {
			return nil
		}
		c.log.Info("bridge: stays in G.711", "side", Prospect, "err", err)
	}
	return c.plain(ctx)
}

// plain asks the legs that speak a wide codec for G.711. One that goes on in G.722
// is understood all the same.
func (c *call) plain(ctx context.Context) error {
	for side, sound := range map[Side]*media.Stream{Rep: c.rep, Prospect: c.prospect} {
		spoken, _ := sound.Codec()
		law, _ := sound.Law()
		if !spoken.Wide() || spoken == law {
			continue
		}
		if err := c.change(ctx, side, law); err != nil && spoken.Opaque() {
			return err
		} else if err != nil {
			c.log.Info("bridge: stays in G.722", "side", side, "err", err)
		}
	}
	return nil
}

// change has a leg speak a codec. That its far end agrees and speaks another is an
// error too.
func (c *call) change(ctx context.Context, side Side, codec media.Codec) error {
	sound, like := c.rep, c.prospect
	if side == Prospect {
		sound, like = c.prospect, c.rep
	}
	err := sound.Renegotiate(codec, like, func(offer []byte) ([]byte, error) { return c.legs[side].Reoffer(ctx, offer) })
	if err != nil {
		return err
	}
	if spoken, _ := sound.Codec(); spoken != codec && (codec.Wide() || spoken.Wide()) {
		return fmt.Errorf("%s: asked for %v, it speaks %v", side, codec, spoken)
	}
	c.log.Info("bridge: codec changed", "side", side, "codec", codec.String())
	return nil
}

// rethink is for when a far end has changed what it speaks.
func (c *call) rethink() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}
