package bridge

import "tandem/media"

// reoffer answers a party's re-INVITE or UPDATE.
func (c *call) reoffer(side Side, sound *media.Stream) func(offer []byte) ([]byte, error) {
	return func(offer []byte) ([]byte, error) {
		answer, err := sound.Reoffer(offer)
		c.hold(side, sound)
		c.rethink()
		return answer, err
	}
}

// reaccept takes a party's answer to an offer that it had asked us for.
func (c *call) reaccept(side Side, sound *media.Stream) func(answer []byte) error {
	return func(answer []byte) error {
		err := sound.Accept(answer)
		c.hold(side, sound)
		c.rethink()
		return err
	}
}

// hold lets a party whose counterpart holds the call hear a soft knock each 2 s,
// under whatever music comes: nobody listens to nothing, and packets go on, which
// NATs and gateways want.
func (c *call) hold(side Side, sound *media.Stream) {
	other := c.rep
	if side == Rep {
		other = c.prospect
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if unhold := c.unhold[side]; unhold != nil {
		unhold()
		delete(c.unhold, side)
	}
	if sound.OnHold() {
		c.unhold[side] = other.PlayUnder(c.Sounds.Tick)
	}
}
