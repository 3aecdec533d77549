// Package sip places calls over SIP trunks and ends them.
//
// One promise carries everything above it: Dial returns an answered Leg, or an
// error and nothing left ringing. If the caller gives up first, Dial returns at
// once and the Endpoint sees the rest through: CANCEL as soon as the far end has
// spoken, ACK and BYE for a 200 that crosses it, for a second 200 of a forked
// call, and for one that comes after every timer has gone.
//
// # The way of a message
//
//	        socket                 sipgo                    ours
//	in   guard, normalise ──► parser ──► tap (wire order) ──► leg's mailbox
//	                             └─────► transaction ───────► leg's mailbox
//	out  socket ◄──────────── transaction ◄───────────────── leg's actor
//
// A strangers' datagram ends at the socket, before it is parsed. Provisional
// responses and INFO are taken from the tap, in the order they had on the wire;
// sipgo hands each message to a goroutine of its own and would shuffle them.
// Final responses come from the transaction. Whatever no transaction wants any
// more (a retransmitted 200, a late one, a fork's) comes back as a stray and
// finds its leg by the branch of our INVITE.
//
// A Leg is one goroutine, its actor, that runs the functions posted to its
// mailbox one after the other. It alone touches the leg's state, one plain
// struct, Snapshot, which is also what is written down before any message whose
// loss would leave a telephone ringing. The actor outlives the call by 64*T1,
// because the network may.
//
// # What is kept
//
// RFC 3261 §8 (user agent), §9 (CANCEL), §10 (registration, with RFC 3327 and
// RFC 3608), §12 (dialogs, loose and strict routes), §13 and §14 (INVITE,
// re-INVITE, glare), §15 (BYE), §18.1.1 (large requests), §22 (digest, with RFC
// 7616 and 8760), RFC 3262 (reliable provisionals), RFC 3263 (locating servers),
// RFC 3311 (UPDATE), RFC 3326 (Reason), RFC 3581 (rport), RFC 4028 (session
// timers), RFC 5626 §3.5.1 (pings), RFC 5922 (certificates), RFC 6026 (accepted
// INVITEs), RFC 6086 (INFO).
//
// # The library
//
// github.com/emiago/sipgo/sip is imported as sipmsg and used as parser,
// transport and RFC 3261 §17 transactions, never for dialogs or digest.
package sip
