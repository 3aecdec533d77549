//go:build ignore

// SPDX-License-Identifier: Apache-2.0
//
// The kernel path: plain RTP of flows that user space has put into the table is
// rewritten where it arrives (TCX ingress) and sent on. Everything else goes up
// the stack, untouched, to the socket it was meant for.
//
// A flow's life: user space fills a slot, makes its head alive, then puts it in
// at its port. To end it, user space clears alive with one compare-and-swap, which
// also tells what was sent last, then takes it out. A packet is sent on only
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
#define WINDOW 64
#define SECOND 1000000000ULL
#define LATE (60 * 1000 * 1000) // ns
#define RESTAMP (5 * SECOND)    // what a clock may run ahead of time
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
	__u64 epoch;  // ns; the transit times count from here
	struct way out;
	__u8 types[128]; // payload type out for each in; NO_TYPE = up

	// Written by both, with compare-and-swap: life and alive, sequence number
	// and timestamp of the newest packet of the source.
	__u64 head;

	// Written by the program. What is counted begins with 0, the rest with what
	// user space knew.
	__u64 packets;
	__u64 bytes;   // of payload
	__u64 advance; // of the sequence number
	__u64 lost;    // of what has left the window
	__u64 bursts;
	__u64 late; // more than LATE behind the quickest
	__u64 duplicates;
	__u64 reordered;
	__u64 max_gap; // ns
	__u64 seen;    // which of the newest and the 63 before it came; bit 0 is the newest
	__u64 last;    // when the newest came: CLOCK_MONOTONIC, ns
	__u64 since;   // beginning of the second that is counted for rate
	__u32 within;  // packets in it
	__u32 in_burst;
	__u32 timed; // transit is valid
	__s32 transit;
	__s32 quickest;
	__s32 jitter16;
};

// The head: alive, 15 bits that tell a slot's lives apart, sequence, timestamp.
#define ALIVE (1ULL << 63)
#define LIFE (0xffffULL << 48)

// Which flow comes in by a port of ours: its slot and 1, or 0. A port is one
// leg's, so this needs no hash; who it is from is looked at in the flow.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 65536);
} ports SEC(".maps");

// The size is set by user space: as many as there may be flows.
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

// timing keeps the figures that time makes: gap, jitter, lateness (RFC 3550 A.8).
static __always_inline void timing(struct flow *f, __u64 now, __u32 ts)
{
	__s64 gap = now - f->last;
	if (gap > 0 && (__u64)gap > f->max_gap)
		f->max_gap = gap;
	f->last = now;
	__s32 second = SECOND / f->tick;
	__s32 transit = (__u32)((now - f->epoch) / f->tick) - ts;
	__s32 d = transit - f->transit;
	f->transit = transit;
	if (!f->timed || d > second || d < -second) { // the source's clock has jumped
		f->timed = 1;
		f->quickest = transit;
		return;
	}
	f->jitter16 += (d < 0 ? -d : d) - ((f->jitter16 + 8) >> 4);
	if (!(f->packets & (WINDOW - 1)))
		f->quickest++; // as clocks drift apart: 100 ppm
	if (transit - f->quickest < 0)
		f->quickest = transit;
	if ((__u64)(transit - f->quickest) * f->tick > LATE)
		__sync_fetch_and_add(&f->late, 1);
}

// advance moves the window on by 1 or more, and counts what leaves it without
// having come.
static __always_inline void advance(struct flow *f, __u32 by)
{
	__u32 n = by < WINDOW ? by : WINDOW;
	__u64 gone = ~f->seen >> ((WINDOW - n) & (WINDOW - 1)); // the oldest is bit n-1
	__u64 before = gone >> 1 | (__u64)f->in_burst << ((n - 1) & (WINDOW - 1));
	__u64 lost = __builtin_popcountll(gone), bursts = __builtin_popcountll(gone & ~before);
	f->in_burst = gone & 1;
	if (by > WINDOW) { // what was skipped altogether
		lost += by - WINDOW;
		bursts += 1 & ~f->in_burst;
		f->in_burst = 1;
	}
	f->seen = (n < WINDOW ? f->seen << n : 0) | 1;
	if (lost) {
		__sync_fetch_and_add(&f->lost, lost);
		__sync_fetch_and_add(&f->bursts, bursts);
	}
	__sync_fetch_and_add(&f->advance, by);
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

// restamped says whether a source's clock has been set anew.
static __always_inline int restamped(struct flow *f, __u64 now, __s32 by)
{
	if (by < 0)
		return 1;
	__u64 ran = (__u64)by * f->tick;
	return ran > RESTAMP && ran > now - f->last + RESTAMP;
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
// and copies its way. size is that of the payload. It returns 0 if the packet goes on, else what becomes of it.
static __always_inline int pass(struct key *k, struct rtp *r, __u32 size, struct way *out)
{
	__u32 index = bpf_ntohs(k->local_port);
	volatile __u64 *port = bpf_map_lookup_elem(&ports, &index);
	if (!port)
		return UP;
	index = *port - 1; // which for 0 is no flow's
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
	if (!f->tick || capped(f, now))
		return UP;
	__u16 seq = bpf_ntohs(r->seq);
	__u32 ts = bpf_ntohl(r->ts);
	__u64 life = head & LIFE;
	__s16 ahead = 0;
	int taken = 0;
	for (int i = 0; i < TRIES && !taken; i++) {
		__u64 next = head;
		ahead = (__s16)(seq - (__u16)(head >> 32));
		if (ahead > JUMP || ahead <= -WINDOW)
			return UP;
		if (ahead > 0) {
			if (restamped(f, now, ts - (__u32)head))
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
		advance(f, ahead);
	} else {
		__u64 bit = 1ULL << (-ahead & (WINDOW - 1));
		if (f->seen & bit) {
			__sync_fetch_and_add(&f->duplicates, 1);
			return DROP;
		}
		f->seen |= bit;
		__sync_fetch_and_add(&f->reordered, 1);
	}
	__sync_fetch_and_add(&f->packets, 1);
	__sync_fetch_and_add(&f->bytes, size);
	timing(f, now, ts);
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

// changed is what a checksum changes by when words become others (RFC 1624).
static __always_inline __u32 changed(const __be32 *before, const __be32 *now, int words)
{
	__u64 sum = 0;
	for (int i = 0; i < words; i++)
		sum += (__u64)(__u32)~before[i] + now[i];
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

// sums puts right the UDP checksum: inner is what changed in the datagram,
// outer in the addresses.
static __always_inline int sums(struct __sk_buff *skb, __u32 at, __u32 inner, __u32 outer)
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

// header_sum is an IPv4 header's checksum once TOS (in word 0), TTL (4) and
// addresses have changed, the last by addresses (RFC 1624).
static __always_inline __u16 header_sum(const __be16 *before, const __be16 *now, __u32 addresses)
{
	__u32 sum = (__u16)~before[5];
	sum += (__u16)~before[0] + now[0];
	sum += (__u16)~before[4] + now[4];
	sum += (addresses & 0xffff) + (addresses >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~((sum & 0xffff) + (sum >> 16));
}

static __always_inline int relay4(struct __sk_buff *skb)
{
	struct packet4 p;
	const struct packet4 *lies = (void *)(long)skb->data + ETH_HLEN;
	if ((void *)(lies + 1) <= (void *)(long)skb->data_end)
		p = *lies;
	else if (bpf_skb_load_bytes(skb, ETH_HLEN, &p, sizeof p))
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
	int odd = pass(&k, &p.rtp, length - sizeof p, &out);
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
	__u32 outer = changed(&before.saddr, &p.ip.saddr, 2);
	p.ip.check = header_sum((__be16 *)&before, (__be16 *)&p.ip, outer);
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &p, sizeof p, BPF_F_INVALIDATE_HASH))
		return DROP;
	__u32 inner = changed((__be32 *)&old, (__be32 *)&new, sizeof new / 4);
	if (sums(skb, ETH_HLEN + offsetof(struct packet4, udp.check), inner, outer))
		return DROP;
	return send(skb, &out);
}

static __always_inline int relay6(struct __sk_buff *skb)
{
	struct packet6 p;
	const struct packet6 *lies = (void *)(long)skb->data + ETH_HLEN;
	if ((void *)(lies + 1) <= (void *)(long)skb->data_end)
		p = *lies;
	else if (bpf_skb_load_bytes(skb, ETH_HLEN, &p, sizeof p))
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
	int odd = pass(&k, &p.rtp, length - sizeof p.udp - sizeof p.rtp, &out);
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
	__u32 inner = changed((__be32 *)&old, (__be32 *)&new, sizeof new / 4);
	__u32 outer = changed((__be32 *)&before.saddr, (__be32 *)&p.ip.saddr, 8);
	if (sums(skb, ETH_HLEN + offsetof(struct packet6, udp.check), inner, outer))
		return DROP;
	// The helper took outer from a checksum the card made of the whole packet,
	// as is right where the header has one of its own. This one has none.
	bpf_csum_update(skb, changed((__be32 *)&before, (__be32 *)&p.ip, sizeof p.ip / 4));
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
