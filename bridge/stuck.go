package bridge

import (
	"maps"
	"slices"
	"time"
)

// stuckAfter is how long past the deadline of its state a call counts as stuck.
const stuckAfter = 5 * time.Minute

// Stuck counts the calls that are longer in their state than its deadline allows,
// by a margin that no timer misses: each is a bug.
func (b *Bridge) Stuck(now time.Time) (n int) {
	b.mu.Lock()
	calls := slices.Collect(maps.Values(b.calls))
	b.mu.Unlock() // a call's record may be held for as long as the disk takes
	for _, c := range calls {
		if r := c.get(); now.Sub(r.entered()) > c.deadline(r.Status)+stuckAfter {
			n++
		}
	}
	return n
}

// entered is when the record's status began, or was renewed by another trunk.
func (r *Record) entered() time.Time {
	switch r.Status {
	case CallingRep:
		return r.Rep.DialedAt
	case AwaitingConfirmation:
		return r.Rep.AnsweredAt
	case CallingProspect:
		if r.Prospect.DialedAt.After(r.ConfirmedAt) {
			return r.Prospect.DialedAt
		}
		return r.ConfirmedAt
	case InProgress:
		return r.ConnectedAt
	}
	return r.CreatedAt
}

// deadline is the longest that a call may be in a status.
func (c *call) deadline(s Status) time.Duration {
	switch s {
	case CallingRep:
		return c.Limits.Queue + c.Limits.RepTotal
	case AwaitingConfirmation:
		return max(c.Limits.Confirm, c.Limits.ConfirmExtension) + time.Duration(len(c.asked.RepExtension))*c.Limits.Pause
	case CallingProspect:
		return c.Limits.Queue + c.Limits.ProspectTotal + time.Duration(len(c.asked.Extension))*c.Limits.Pause + c.Limits.WrapUp
	case InProgress:
		return max(c.Limits.Talk, c.asked.MaxDuration) + c.Limits.WrapUp
	}
	return c.Limits.Queue
}
