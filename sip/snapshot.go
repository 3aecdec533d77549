package sip

import (
	"net/netip"
	"slices"
)

// State is how far a leg has come; it decides what must be sent after a crash.
type State string

// The states of a Snapshot, in their order.
const (
	Calling  State = "calling"  // an INVITE of ours has left or is about to: CANCEL it
	Answered State = "answered" // a 2xx came, its ACK has left or is about to: ACK and BYE
	Ending   State = "ending"   // a CANCEL or BYE of ours has left or is about to: send it again
	Gone     State = "gone"     // over: nothing to do
)

// Snapshot is all that a leg is (RFC 3261 §12), in a form that can be stored as
// JSON and given to Finish in another process. It holds no password.
type Snapshot struct {
	State State  `json:"state"`
	Trunk string `json:"trunk"`
	Call  string `json:"call,omitempty"`
	Side  string `json:"side,omitempty"`

	CallID   string `json:"call_id"`
	LocalTag string `json:"local_tag"`
	From     string `json:"from"` // header value as sent, with our tag
	To       string `json:"to"`   // header value as sent, without a tag
	URI      string `json:"uri"`  // Request-URI of the INVITE

	LocalSeq  uint32 `json:"local_seq"`  // highest CSeq used, gaps allowed
	InviteSeq uint32 `json:"invite_seq"` // CSeq of the last INVITE and so of its ACK

	Transport string         `json:"transport"`      // udp, tcp or tls
	Flow      bool           `json:"flow,omitempty"` // there is no way to us but the connection requests leave by
	Bind      netip.AddrPort `json:"bind"`           // the socket requests leave from
	Public    netip.AddrPort `json:"public"`         // what Via and Contact say of it
	Hop       netip.AddrPort `json:"hop"`            // where the INVITE went: CANCEL goes there too

	Invite      []byte `json:"invite,omitempty"`      // the pending INVITE, branch included, credentials left out
	Provisional bool   `json:"provisional,omitempty"` // it has had a provisional response

	Dialog  Dialog  `json:"dialog,omitzero"`  // with whom; zero until a 2xx
	Session Session `json:"session,omitzero"` // RFC 4028, zero = no timer
	Acked   bool    `json:"acked,omitempty"`
	ByeSent bool    `json:"bye_sent,omitempty"`
}

// Dialog is the far end's half of a dialog.
type Dialog struct {
	RemoteTag string         `json:"remote_tag"`
	To        string         `json:"to"`               // To header value with the remote tag
	Target    string         `json:"target"`           // remote target URI
	Routes    []string       `json:"routes,omitempty"` // in sending order, as they were recorded
	RemoteSeq uint32         `json:"remote_seq,omitempty"`
	Updates   bool           `json:"updates,omitempty"` // its Allow names UPDATE
	Hop       netip.AddrPort `json:"hop"`               // where requests in this dialog go
}

// clone returns a Snapshot that shares nothing with s.
func (s *Snapshot) clone() Snapshot {
	c := *s
	c.Invite = slices.Clone(s.Invite)
	c.Dialog.Routes = slices.Clone(s.Dialog.Routes)
	return c
}
