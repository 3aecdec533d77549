// Package bridge is the call: ring the rep, hear a 1, ring the prospect, let
// them talk, and say what happened.
//
//	queued ─► calling_rep ─► awaiting_confirmation ─► calling_prospect ─► in_progress ─► ended
//
// One call is one goroutine running one function, run in call.go; read that
// first. Whoever ends a call (a far side, a timer, the API, a shutdown) cancels
// its context with an End, and the first one wins. The signalling of a leg is a
// sip.Leg, its sound a media.Stream; the two packages do not know each other,
// and SDP passes between them here, unread.
//
// All that is ever said of a call is said by its Events:
// Record.Apply folds them into the record that the API shows, the store keeps
// and the metrics count. An event that must not be lost is durable before the
// act that it announces.
package bridge
