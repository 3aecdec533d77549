package sip

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// zone is a DNS server without a DNS library: records by "name TYPE".
type zone struct {
	mu      sync.Mutex
	records map[string][]record
	broken  bool          // nobody answers
	slow    time.Duration // how long an answer takes
	asked   map[string]int
}

type record struct {
	ttl  uint32
	data []byte
}

const (
	typeA     = 1
	typeCNAME = 5
	typeAAAA  = 28
	typeSRV   = 33
	typeNAPTR = 35
)

var kinds = map[uint16]string{typeA: "A", typeCNAME: "CNAME", typeAAAA: "AAAA", typeSRV: "SRV", typeNAPTR: "NAPTR"}

func newZone() *zone {
	return &zone{records: make(map[string][]record), asked: make(map[string]int)}
}

func (z *zone) set(key string, data ...[]byte) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[key] = nil
	for _, d := range data {
		z.records[key] = append(z.records[key], record{60, d})
	}
}

func (z *zone) breakDown(broken bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.broken = broken
}

func (z *zone) queries(key string) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked[key]
}

// answer is Config.DNS.
func (z *zone) answer(ctx context.Context, query []byte) ([]byte, error) {
	z.mu.Lock()
	slow := z.slow
	z.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	var labels []string
	at := 12
	for query[at] != 0 {
		n := int(query[at])
		labels = append(labels, string(query[at+1:at+1+n]))
		at += 1 + n
	}
	name := strings.Join(labels, ".")
	kind := binary.BigEndian.Uint16(query[at+1:])
	key := name + " " + kinds[kind]
	z.asked[key]++
	if z.broken {
		return nil, errors.New("no route to host")
	}
	found, answered := z.records[key], kind
	if len(found) == 0 && len(z.records[name+" CNAME"]) > 0 {
		found, answered = z.records[name+" CNAME"], typeCNAME
	}
	exists := false
	for other := range z.records {
		exists = exists || strings.HasPrefix(other, name+" ")
	}
	response := append([]byte(nil), query[:2]...)
	flags := uint16(0x8180)
	if !exists {
		flags |= 3 // NXDOMAIN
	}
	response = binary.BigEndian.AppendUint16(response, flags)
	response = append(response, 0, 1, 0, byte(len(found)), 0, 0, 0, 0)
	response = append(response, query[12:at+5]...)
	for _, r := range found {
		response = append(response, 0xc0, 12) // the question's name
		response = binary.BigEndian.AppendUint16(response, answered)
		response = append(response, 0, 1)
		response = binary.BigEndian.AppendUint32(response, r.ttl)
		response = binary.BigEndian.AppendUint16(response, uint16(len(r.data)))
		response = append(response, r.data...)
	}
	if answered == typeCNAME && kind != typeCNAME { // the server follows it, as they do
		return z.follow(response, query, found[0], kind), nil
	}
	return response, nil
}

// follow adds the records an alias leads to.
func (z *zone) follow(response, query []byte, alias record, kind uint16) []byte {
	var labels []string
	for i := 0; alias.data[i] != 0; i += 1 + int(alias.data[i]) {
		labels = append(labels, string(alias.data[i+1:i+1+int(alias.data[i])]))
	}
	records := z.records[strings.Join(labels, ".")+" "+kinds[kind]]
	response[7] += byte(len(records))
	for _, r := range records {
		response = append(response, alias.data...)
		response = binary.BigEndian.AppendUint16(response, kind)
		response = append(response, 0, 1)
		response = binary.BigEndian.AppendUint32(response, r.ttl)
		response = binary.BigEndian.AppendUint16(response, uint16(len(r.data)))
		response = append(response, r.data...)
	}
	return response
}

func address(text string) []byte { return netip.MustParseAddr(text).AsSlice() }

func domainName(name string) (b []byte) {
	for label := range strings.SplitSeq(name, ".") {
		if label != "" {
			b = append(append(b, byte(len(label))), label...)
		}
	}
	return append(b, 0)
}

func srv(priority, weight, port uint16, host string) []byte {
	var b []byte
	for _, n := range []uint16{priority, weight, port} {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	return append(b, domainName(host)...)
}

func pointer(order, preference uint16, service, replacement string) []byte {
	b := binary.BigEndian.AppendUint16(nil, order)
	b = binary.BigEndian.AppendUint16(b, preference)
	for _, text := range []string{"s", service, ""} {
		b = append(append(b, byte(len(text))), text...)
	}
	return append(b, domainName(replacement)...)
}

// at makes a world whose trunk is looked up in the zone.
func (z *zone) at(t TrunkConfig) func(*Config) {
	return func(c *Config) {
		c.DNS = z.answer
		c.Trunks = []TrunkConfig{t}
	}
}
