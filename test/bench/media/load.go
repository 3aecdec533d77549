//go:build linux && (amd64 || arm64)

package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	ptime   = 20 * time.Millisecond
	octets  = 12 + 160 // a packet of PCMU
	stampAt = 12       // in its payload: when it was sent
	drain   = 300 * time.Millisecond
	tick    = time.Millisecond
	batch   = 64

	lateMost = 20 * time.Millisecond
)

// stream is one direction of one call, as its far end sends it.
type stream struct {
	fd     int
	to     atomic.Pointer[syscall.RawSockaddrInet4]
	packet [octets]byte
	seq    uint16
	ts     uint32
}

// load is the far ends of all calls. Callers share a socket, and so do callees,
// so that the load costs little; each stream has its own SSRC, phase and target.
type load struct {
	a, b    farEnd
	streams []*stream

	from, to  atomic.Int64 // what is sent between counts, ns since 1970
	sent      atomic.Int64
	skipped   atomic.Int64 // not sent, for want of time
	stop      atomic.Bool
	sender    sync.WaitGroup
	receivers sync.WaitGroup
}

// farEnd is a socket, and the delays of what came by it. Reports go to another,
// where nobody reads them.
type farEnd struct {
	fd     int
	rtcp   int
	at     netip.AddrPort
	delays []int64
}

func newLoad() (*load, error) {
	l := &load{}
	l.from.Store(1 << 62)
	for _, f := range []*farEnd{&l.a, &l.b} {
		if err := f.open(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (f *farEnd) open() (err error) {
	if f.fd, err = open(0); err != nil {
		return err
	}
	name, err := syscall.Getsockname(f.fd)
	if err != nil {
		return err
	}
	port := uint16(name.(*syscall.SockaddrInet4).Port)
	f.at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	const sockRcvbufForce, room = 33, 64 << 20
	if err := syscall.SetsockoptInt(f.fd, syscall.SOL_SOCKET, sockRcvbufForce, room); err != nil {
		return fmt.Errorf("receive buffer: %w", err)
	}
	if err := syscall.SetsockoptInt(f.fd, syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1); err != nil {
		return err
	}
	f.rtcp, err = open(port + 1)
	return err
}

// open binds a socket to a port of the loopback; 0 = any.
func open(port uint16) (fd int, err error) {
	if fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	return fd, syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(port), Addr: [4]byte{127, 0, 0, 1}})
}

// aim makes the streams of the calls: what a sends goes to ports.A, what b sends to ports.B.
func (l *load) aim(calls []ports) {
	for i, p := range calls {
		l.add(l.a.fd, p.A, uint32(2*i))
		l.add(l.b.fd, p.B, uint32(2*i+1))
	}
}

func (l *load) add(fd int, port uint16, id uint32) {
	s := &stream{fd: fd, seq: uint16(id), ts: id}
	s.aim(port)
	s.packet[0] = 0x80
	binary.BigEndian.PutUint32(s.packet[8:], 0x10000000+id)
	for i := 20; i < octets; i++ {
		s.packet[i] = byte(0x10 + i%64) // not silence
	}
	l.streams = append(l.streams, s)
}

// aim has the stream go to a port from now on.
func (s *stream) aim(port uint16) {
	s.to.Store(&syscall.RawSockaddrInet4{Family: syscall.AF_INET, Addr: [4]byte{127, 0, 0, 1}, Port: port<<8 | port>>8})
}

// run sends and receives until end is called, in threads that the rest of the
// program does without.
func (l *load) run() {
	runtime.GOMAXPROCS(runtime.NumCPU() + threads)
	l.sender.Go(l.send)
	for _, f := range []*farEnd{&l.a, &l.b} {
		l.receivers.Go(func() { l.receive(f) })
	}
}

// end stops, waits for what is on its way, and returns all delays.
func (l *load) end() []int64 {
	l.stop.Store(true)
	l.sender.Wait()
	time.Sleep(drain)
	l.stop.Store(false)
	l.stopReceivers()
	return append(l.a.delays, l.b.delays...)
}

func (l *load) stopReceivers() {
	l.from.Store(-1)
	l.receivers.Wait()
	for _, fd := range []int{l.a.fd, l.a.rtcp, l.b.fd, l.b.rtcp} {
		_ = syscall.Close(fd)
	}
}

// send sends each stream's packet when it is due: streams lie evenly in the 20 ms,
// and what is due in one ms leaves as a burst.
func (l *load) send() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	gap := ptime / time.Duration(len(l.streams))
	due, next := time.Now(), 0
	bursts := []*burst{{fd: l.a.fd}, {fd: l.b.fd}}
	for !l.stop.Load() {
		now := time.Now()
		if late := now.Sub(due); late > lateMost { // the machine is too slow for this load
			if from := l.from.Load(); from > 0 && now.UnixNano() >= from {
				l.skipped.Add(int64(late / gap))
			}
			due = now
		}
		for ; !due.After(now); due = due.Add(gap) {
			s := l.streams[next]
			if next++; next == len(l.streams) {
				next = 0
			}
			for _, b := range bursts {
				if b.fd == s.fd && b.add(s, now) == batch {
					l.flush(b, now)
					now = time.Now()
				}
			}
		}
		for _, b := range bursts {
			l.flush(b, now)
		}
		pause(tick)
	}
}

// burst is packets that leave by one socket at a time.
type burst struct {
	fd       int
	n        int
	messages [batch]message
	parts    [batch]syscall.Iovec
}

// add makes a stream's next packet, and returns how many there are now. It is
// stamped with the beginning of its burst: to wait for the others is a part of
// its delay, as it is behind a network card.
func (b *burst) add(s *stream, now time.Time) int {
	s.seq++
	s.ts += 160
	binary.BigEndian.PutUint16(s.packet[2:], s.seq)
	binary.BigEndian.PutUint32(s.packet[4:], s.ts)
	binary.BigEndian.PutUint64(s.packet[stampAt:], uint64(now.UnixNano()))
	b.parts[b.n] = syscall.Iovec{Base: &s.packet[0], Len: octets}
	b.messages[b.n].header = syscall.Msghdr{
		Name: (*byte)(unsafe.Pointer(s.to.Load())), Namelen: syscall.SizeofSockaddrInet4, Iov: &b.parts[b.n], Iovlen: 1,
	}
	b.n++
	return b.n
}

// flush sends a burst.
func (l *load) flush(b *burst, at time.Time) {
	counts := at.UnixNano() >= l.from.Load() && at.UnixNano() < l.to.Load()
	for done := 0; done < b.n; {
		n, _, errno := syscall.RawSyscall6(sysSendmmsg, uintptr(b.fd), uintptr(unsafe.Pointer(&b.messages[done])), uintptr(b.n-done), syscall.MSG_DONTWAIT, 0, 0)
		if errno != 0 {
			n = 1 // this one is lost before it began
		} else if counts {
			l.sent.Add(int64(n))
		}
		done += int(n)
	}
	b.n = 0
}

// pause sleeps in this thread, and the runtime is not told: it would look after
// the thread, at ten times the cost of what is measured.
func pause(d time.Duration) {
	t := syscall.NsecToTimespec(d.Nanoseconds())
	_, _, _ = syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&t)), 0, 0) // shorter after a signal, which does no harm
}

// threads is how many of the load's sleep so: the sender and two receivers.
const threads = 3

// message is struct mmsghdr.
type message struct {
	header syscall.Msghdr
	size   uint32
	_      uint32
}

// receive takes what came, every few ms: the kernel has stamped it when it came.
func (l *load) receive(f *farEnd) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var messages [batch]message
	var parts [batch]syscall.Iovec
	var data [batch][octets]byte
	var control [batch][64]byte
	for {
		for i := range messages {
			parts[i] = syscall.Iovec{Base: &data[i][0], Len: octets}
			messages[i].header = syscall.Msghdr{Iov: &parts[i], Iovlen: 1, Control: &control[i][0], Controllen: uint64(len(control[i]))}
		}
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVMMSG, uintptr(f.fd), uintptr(unsafe.Pointer(&messages[0])), batch, syscall.MSG_DONTWAIT, 0, 0)
		if errno != 0 {
			if l.from.Load() < 0 {
				return
			}
			pause(5 * tick)
			continue
		}
		for i := range int(n) {
			if messages[i].size != octets {
				continue
			}
			sent := int64(binary.BigEndian.Uint64(data[i][stampAt:]))
			if sent >= l.from.Load() && sent < l.to.Load() {
				f.delays = append(f.delays, stamped(control[i][:])-sent)
			}
		}
	}
}

// stamped reads the time of SO_TIMESTAMPNS, the only control message there is.
func stamped(control []byte) int64 {
	const header = 16
	return int64(binary.NativeEndian.Uint64(control[header:]))*1e9 + int64(binary.NativeEndian.Uint64(control[header+8:]))
}
