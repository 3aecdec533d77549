package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// badPath is a network between tandem and a phone that loses RTP and delays it
// unevenly. It stands between them by writing itself into the session
// descriptions that pass, and passes SIP on.
type badPath struct {
	sip            *lossy
	toPhone, toUs  rtpWay
	losesFirst     string // a SIP request, whose first copy from the phone is lost
	requestIsGone  atomic.Bool
	passed, missed atomic.Int64 // RTP packets
}

// rtpWay is one direction: the socket that is sent to, and where that goes on to.
type rtpWay struct {
	in *net.UDPConn
	to atomic.Pointer[net.UDPAddr]
}

const (
	pathLoses  = 0.05
	pathJitter = 30 * time.Millisecond
)

// startBadPath starts one to the phone whose SIP port is given.
func startBadPath(t *testing.T, phone int, losesFirst string) *badPath {
	t.Helper()
	p := &badPath{sip: startLossy(t, 1, 0, 0), losesFirst: losesFirst}
	for i, way := range []*rtpWay{&p.toPhone, &p.toUs} {
		in, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = in.Close() })
		way.in = in
		go p.carry(way, []*rtpWay{&p.toUs, &p.toPhone}[i], rand.New(rand.NewPCG(uint64(i), 5)))
	}
	p.sip.edit = p.edit
	p.sip.serve(phone)
	return p
}

// carry passes a direction on, from the socket that the receiver sends back to: a
// part is lost, the rest waits for up to pathJitter, in order but for one in 50.
func (p *badPath) carry(way, back *rtpWay, random *rand.Rand) {
	var last time.Time
	b := make([]byte, 2048)
	for {
		n, _, err := way.in.ReadFromUDP(b)
		if err != nil {
			return
		}
		to := way.to.Load()
		if to == nil {
			continue
		}
		if random.Float64() < pathLoses {
			p.missed.Add(1)
			continue
		}
		p.passed.Add(1)
		due := time.Now().Add(time.Duration(random.Float64() * float64(pathJitter)))
		if random.IntN(50) > 0 && due.Before(last) {
			due = last
		}
		last = due
		packet := bytes.Clone(b[:n])
		time.AfterFunc(time.Until(due), func() { _, _ = back.in.WriteToUDP(packet, to) })
	}
}

var contentLength = regexp.MustCompile(`(?i)\r\nContent-Length: *\d+`)

// edit writes the path into a message's session description, and loses one request.
func (p *badPath) edit(message []byte, fromPhone bool) []byte {
	if fromPhone && p.losesFirst != "" && bytes.HasPrefix(message, []byte(p.losesFirst+" ")) && p.requestIsGone.CompareAndSwap(false, true) {
		return nil
	}
	head, body, _ := bytes.Cut(message, []byte("\r\n\r\n"))
	found := audioPort.FindSubmatchIndex(body)
	if found == nil {
		return message
	}
	port, _ := strconv.Atoi(string(body[found[2]:found[3]]))
	way := &p.toUs
	if fromPhone {
		way = &p.toPhone
	}
	way.to.Store(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	changed := fmt.Appendf(nil, "%s%d%s", body[:found[2]], way.in.LocalAddr().(*net.UDPAddr).Port, body[found[3]:])
	head = contentLength.ReplaceAll(head, fmt.Appendf(nil, "\r\nContent-Length: %d", len(changed)))
	return bytes.Join([][]byte{head, changed}, []byte("\r\n\r\n"))
}
