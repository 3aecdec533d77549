//go:build ignore

// SPDX-License-Identifier: Apache-2.0
//
// The kernel path: plain RTP of flows that user space has put into the table is
// rewritten where it arrives (TCX ingress) and sent on. Everything else goes up
// the stack, untouched, to the socket it was meant for.
//
// A flow's life: user space fills a slot, makes its head alive, then puts the key
// in. To end it, user space clears alive with one compare-and-swap, which also
// tells what was sent last, then takes the key out. A packet is sent on only
// after the program has swapped the same word, so none is taken after that.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define UP (-1) // TCX_NEXT: whoever comes next, and in the end the socket
#define DROP 2  // TCX_DROP

#define PACKET_HOST 0
#define FRAGMENT 0x3fff // more fragments, or not the first
#define PLAIN 0x80      // RTP version 2, no padding, extension or CSRC
#define MAX_RTP 1472    // octets: what fits in a packet of 1500
#define NO_TYPE 0xff
#define JUMP 3000 // packets; a source that skips more is a new one
#define SECOND 1000000000ULL
#define TRIES 4

// A key is where a packet comes from and to. IPv4 is written as ::ffff:a.b.c.d.
struct key {
	__u8 local[16];
	__u8 remote[16];
	__be16 local_port;
	__be16 remote_port;
};

// A way is where a packet of a flow goes and what it becomes.
struct way {
	__u8 local[16];
	__u8 remote[16];
	__be16 local_port;
	__be16 remote_port;
	__u32 ssrc; // network order
	__u64 via;  // HERE and the interface's index; 0: no route, so the stack shall say so
	__u32 seq_offset;
	__u32 ts_offset;
	__u32 priority;
	__u8 tos;
	__u8 ttl;
	__u8 pad[2];
};

#define HERE (1ULL << 32) // to this machine itself, by lo

struct flow {
	// Written by user space while the flow does not live; out.via at any time.
	struct key in;
	__u32 source; // the SSRC that is relayed, network order
	__u32 tick;   // ns of one unit of the timestamp
	__u32 rate;   // packets a second at most
	struct way out;
	__u8 types[128]; // payload type out for each in; NO_TYPE = up

	// Written by both, with compare-and-swap: life and alive, sequence number
	// and timestamp of the newest packet of the source.
	__u64 head;

	// Written by the program.
	__u64 packets;
	__u64 bytes; // of RTP, with its header
	__u64 duplicates;
	__u64 reordered;
	__u64 last;    // CLOCK_MONOTONIC, ns; 0 = none yet
	__u64 max_gap; // ns
	__u64 seen;    // bit n: the nth packet before the newest came
	__u64 since;   // beginning of the second that is counted for rate
	__u32 within;  // packets in it
	__u32 transit; // RFC 3550 A.8, in ticks
	__u32 jitter16;
	__u32 timed; // transit is valid
};

// The head: alive, 15 bits that tell a slot's lives apart, sequence, timestamp.
#define ALIVE (1ULL << 63)
#define LIFE (0xffffULL << 48)

// The sizes are set by user space: as many as there may be flows.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct key);
	__type(value, __u32);
	__uint(max_entries, 1);
} places SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct flow);
	__uint(max_entries, 1);
} flows SEC(".maps");

// What relay.c was when this object was made of it: a test compares.
const char source[64] SEC(".rodata.source") = SOURCE;

struct rtp {
	__u8 version; // with padding, extension and CSRC count
	__u8 type;    // with the marker
	__be16 seq;
	__be32 ts;
	__be32 ssrc;
};

struct packet4 {
	struct iphdr ip;
	struct udphdr udp;
	struct rtp rtp;
};

struct packet6 {
	struct ipv6hdr ip;
	struct udphdr udp;
	struct rtp rtp;
};

// timing keeps the figures that time makes: gap and jitter.
static __always_inline void timing(struct flow *f, __u64 now, __u32 ts)
{
	__u64 gap = now - f->last;
	if (f->last && (__s64)gap > 0 && gap > f->max_gap)
		f->max_gap = gap;
	f->last = now;
	if (!f->tick)
		return;
	__u32 transit = (__u32)(now / f->tick) - ts;
	__s32 d = transit - f->transit;
	if (d < 0)
		d = -d;
	if (f->timed && d >= 0 && (__u64)d * f->tick < SECOND) // else the source's clock has jumped
		f->jitter16 += d - ((f->jitter16 + 8) >> 4);
	f->transit = transit;
	f->timed = 1;
}

// capped says whether the flow sends more than it may.
static __always_inline int capped(struct flow *f, __u64 now)
{
	if (now - f->since >= SECOND) {
		f->since = now;
		f->within = 0;
	}
	return ++f->within > f->rate;
}

static __always_inline int same(const struct key *a, const struct key *b)
{
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;
	__u32 differ = 0;
	for (int i = 0; i < sizeof *a / 4; i++)
		differ |= x[i] ^ y[i];
	return !differ;
}

// pass takes a packet's place in the flow k is of, writes its new RTP header,
// and copies its way. It returns 0 if the packet goes on, else what becomes of it.
static __always_inline int pass(struct key *k, struct rtp *r, __u32 size, struct way *out)
{
	__u32 *slot = bpf_map_lookup_elem(&places, k);
	if (!slot)
		return UP;
	__u32 index = *slot;
	struct flow *f = bpf_map_lookup_elem(&flows, &index);
	if (!f)
		return UP;
	// What is read of f lies between two uses of one head: both the same, and
	// it belongs to one life, though the slot may be lent anew meanwhile.
	__u64 head = __sync_fetch_and_add(&f->head, 0);
	if (!(head & ALIVE) || !same(k, &f->in) || r->version != PLAIN || r->ssrc != f->source)
		return UP;
	__u8 type = f->types[r->type & 0x7f];
	*out = f->out;
	if (type == NO_TYPE || !out->via)
		return UP;
	__u64 now = bpf_ktime_get_ns();
	if (capped(f, now))
		return UP;
	__u16 seq = bpf_ntohs(r->seq);
	__u32 ts = bpf_ntohl(r->ts);
	__u64 life = head & LIFE;
	__s16 ahead = 0;
	int taken = 0;
	for (int i = 0; i < TRIES && !taken; i++) {
		__u64 next = head;
		ahead = (__s16)(seq - (__u16)(head >> 32));
		if (ahead > JUMP || ahead < -JUMP)
			return UP;
		if (ahead > 0) {
			if ((__s32)(ts - (__u32)head) < 0) // the source's clock went back
				return UP;
			next = life | (__u64)seq << 32 | ts;
		}
		__u64 was = __sync_val_compare_and_swap(&f->head, head, next);
		if ((was & LIFE) != life)
			return UP;
		taken = was == head;
		head = was;
	}
	if (!taken)
		return UP;
	if (ahead > 0) {
		f->seen = ahead < 64 ? f->seen << ahead | 1 : 1;
	} else {
		__u64 bit = ahead > -64 ? 1ULL << -ahead : 0;
		if (f->seen & bit) {
			__sync_fetch_and_add(&f->duplicates, 1);
			return DROP;
		}
		f->seen |= bit;
		__sync_fetch_and_add(&f->reordered, 1);
	}
	timing(f, now, ts);
	__sync_fetch_and_add(&f->packets, 1);
	__sync_fetch_and_add(&f->bytes, size);
	r->type = (r->type & 0x80) | type;
	r->seq = bpf_htons(seq + out->seq_offset);
	r->ts = bpf_htonl(ts + out->ts_offset);
	r->ssrc = out->ssrc;
	return 0;
}

// send hands a rewritten packet to the neighbour; one that came by lo for
// somebody on this machine is there already.
static __always_inline int send(struct __sk_buff *skb, const struct way *out)
{
	__u32 ifindex = (__u32)out->via;
	if (out->via & HERE && ifindex == skb->ifindex)
		return UP;
	skb->priority = out->priority;
	return bpf_redirect_neigh(ifindex, NULL, 0, 0);
}

// sums puts right the UDP checksum: inner is what changed in the datagram,
// outer in the addresses.
static __always_inline int sums(struct __sk_buff *skb, __u32 at, __s64 inner, __s64 outer)
{
	return bpf_l4_csum_replace(skb, at, 0, inner, BPF_F_MARK_MANGLED_0) ||
	       bpf_l4_csum_replace(skb, at, 0, outer, BPF_F_MARK_MANGLED_0 | BPF_F_PSEUDO_HDR);
}

// body is what the checksum covers of the part that is rewritten.
struct body {
	__be16 source;
	__be16 dest;
	struct rtp rtp;
};

static __always_inline int relay4(struct __sk_buff *skb)
{
	struct packet4 p;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &p, sizeof p))
		return UP;
	__u32 length = bpf_ntohs(p.ip.tot_len);
	if (p.ip.protocol != IPPROTO_UDP || p.ip.ihl != 5 || p.ip.version != 4 || p.ip.frag_off & bpf_htons(FRAGMENT) ||
	    length != skb->len - ETH_HLEN || bpf_ntohs(p.udp.len) != length - sizeof p.ip ||
	    length <= sizeof p || length > sizeof p.ip + sizeof p.udp + MAX_RTP)
		return UP;
	struct key k = {.local_port = p.udp.dest, .remote_port = p.udp.source};
	k.local[10] = k.local[11] = k.remote[10] = k.remote[11] = 0xff;
	__builtin_memcpy(k.local + 12, &p.ip.daddr, 4);
	__builtin_memcpy(k.remote + 12, &p.ip.saddr, 4);
	struct way out;
	struct body old = {p.udp.source, p.udp.dest, p.rtp};
	int odd = pass(&k, &p.rtp, length - sizeof p.ip - sizeof p.udp, &out);
	if (odd)
		return odd;
	struct iphdr before = p.ip;
	p.ip.tos = out.tos;
	p.ip.ttl = out.ttl;
	__builtin_memcpy(&p.ip.saddr, out.local + 12, 4);
	__builtin_memcpy(&p.ip.daddr, out.remote + 12, 4);
	p.udp.source = out.local_port;
	p.udp.dest = out.remote_port;
	struct body new = {p.udp.source, p.udp.dest, p.rtp};
	__u64 sum = bpf_csum_diff((__be32 *)&before, sizeof before, (__be32 *)&p.ip, sizeof p.ip, (__u16)~p.ip.check);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff);
	p.ip.check = ~((sum & 0xffff) + (sum >> 16));
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &p, sizeof p, BPF_F_INVALIDATE_HASH))
		return DROP;
	__s64 inner = bpf_csum_diff((__be32 *)&old, sizeof old, (__be32 *)&new, sizeof new, 0);
	__s64 outer = bpf_csum_diff((__be32 *)&before.saddr, 8, (__be32 *)&p.ip.saddr, 8, 0);
	if (sums(skb, ETH_HLEN + offsetof(struct packet4, udp.check), inner, outer))
		return DROP;
	return send(skb, &out);
}

static __always_inline int relay6(struct __sk_buff *skb)
{
	struct packet6 p;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &p, sizeof p))
		return UP;
	__u32 length = bpf_ntohs(p.ip.payload_len);
	if (p.ip.nexthdr != IPPROTO_UDP || p.ip.version != 6 || length != skb->len - ETH_HLEN - sizeof p.ip ||
	    bpf_ntohs(p.udp.len) != length || length <= sizeof p.udp + sizeof p.rtp ||
	    length > sizeof p.udp + MAX_RTP || !p.udp.check)
		return UP;
	struct key k = {.local_port = p.udp.dest, .remote_port = p.udp.source};
	__builtin_memcpy(k.local, &p.ip.daddr, 16);
	__builtin_memcpy(k.remote, &p.ip.saddr, 16);
	struct way out;
	struct body old = {p.udp.source, p.udp.dest, p.rtp};
	int odd = pass(&k, &p.rtp, length - sizeof p.udp, &out);
	if (odd)
		return odd;
	struct ipv6hdr before = p.ip;
	*(__be32 *)&p.ip = bpf_htonl(6U << 28 | (__u32)out.tos << 20); // no flow label
	p.ip.hop_limit = out.ttl;
	__builtin_memcpy(&p.ip.saddr, out.local, 16);
	__builtin_memcpy(&p.ip.daddr, out.remote, 16);
	p.udp.source = out.local_port;
	p.udp.dest = out.remote_port;
	struct body new = {p.udp.source, p.udp.dest, p.rtp};
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &p, sizeof p, BPF_F_INVALIDATE_HASH))
		return DROP;
	__s64 inner = bpf_csum_diff((__be32 *)&old, sizeof old, (__be32 *)&new, sizeof new, 0);
	__s64 outer = bpf_csum_diff((__be32 *)&before.saddr, 32, (__be32 *)&p.ip.saddr, 32, 0);
	if (sums(skb, ETH_HLEN + offsetof(struct packet6, udp.check), inner, outer))
		return DROP;
	// The helper took outer from a checksum the card made of the whole packet,
	// as is right where the header has one of its own. This one has none.
	bpf_csum_update(skb, bpf_csum_diff((__be32 *)&before, sizeof before, (__be32 *)&p.ip, sizeof p.ip, 0));
	return send(skb, &out);
}

SEC("tcx/ingress")
int relay(struct __sk_buff *skb)
{
	if (skb->pkt_type != PACKET_HOST || skb->vlan_present || skb->gso_size)
		return UP;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return relay4(skb);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return relay6(skb);
	return UP;
}

char _license[] SEC("license") = "Apache-2.0";
