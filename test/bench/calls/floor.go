package main

import (
	"net"
	"sync"
	"time"
)

// floor is a bare pair of sockets that pass stamped packets while the relay is
// measured: what the kernel alone takes.
type floor struct {
	from, to net.PacketConn
	stop     chan struct{}
	wait     sync.WaitGroup
	delays   []time.Duration
}

func openFloor() (*floor, error) {
	to, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	from, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &floor{from: from, to: to, stop: make(chan struct{})}
	f.wait.Go(f.send)
	f.wait.Go(f.receive)
	return f, nil
}

func (f *floor) send() {
	clock := time.NewTicker(5 * time.Millisecond)
	defer clock.Stop()
	packet := make([]byte, header+160)
	for {
		select {
		case <-clock.C:
			stamp(packet[header:])
			_, _ = f.from.WriteTo(packet, f.to.LocalAddr()) // lost, as on the wire
		case <-f.stop:
			return
		}
	}
}

func (f *floor) receive() {
	b := make([]byte, 2048)
	for {
		n, _, err := f.to.ReadFrom(b)
		if err != nil {
			return
		}
		if sent, ok := stamped(b[header:n]); ok {
			f.delays = append(f.delays, now()-sent)
		}
	}
}

func (f *floor) close() ([]time.Duration, error) {
	close(f.stop)
	_ = f.from.Close()
	err := f.to.Close()
	f.wait.Wait()
	return f.delays, err
}
