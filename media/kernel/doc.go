// Package kernel relays plain RTP inside the Linux kernel: an eBPF program at
// TCX ingress (Linux 6.6) looks each packet up in a table of flows, rewrites it
// as the user path would, and sends it on without waking this process.
//
//	      ┌──────────── relay.c, at ingress of each interface ───────────┐
//	RTP ─►│ a flow's? its SSRC, a type it maps, version 2, whole, in turn │─► neighbour
//	      └───────────────┬──────────────────────────────────────────────┘
//	                      ▼ all else, untouched
//	                 the stream's own socket (package media)
//
// A Flow is one direction of a call. Package media decides when it is put in
// and taken out; this package knows no calls. What a flow did is read from
// memory that is shared with the program, without a system call.
//
// It needs CAP_BPF and CAP_NET_ADMIN. Open says by a Refusal why it cannot be
// had; nothing is left attached when the process ends, however it ends.
//
// relay.c is compiled by `go generate` (clang, libbpf's headers), and its object
// is committed: building tandem needs neither.
package kernel

//go:generate sh generate.sh
