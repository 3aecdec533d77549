//go:build linux && (amd64 || arm64)

package media

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// laneEvents is how many sockets a lane takes one packet of before it looks
// again. None takes more than its turn, so that one that is flooded starves
// nobody.
const laneEvents = 64

// laneFull is how many sockets a lane has before the next one is opened: RTP's
// and RTCP's of 1,000 streams, whose sound takes a quarter of a core. Two lanes
// that share fewer would be woken twice where one is woken once, and waking is
// most of what a packet costs where there are few; one that has more lets the
// last of a burst wait.
const laneFull = 2 * 1000

// lanes are the user path: a loop a core at most, each with sockets of its own.
// Both legs of a call are on one lane, so that a packet crosses no thread.
type lanes struct {
	observe observe
	mu      sync.Mutex
	all     []*lane
}

func newLanes(o observe) *lanes { return &lanes{observe: o} }

// pick returns the first lane that is not full, or where all are, the one with
// the fewest sockets; nil if there can be none, or conn is nothing to be waited
// for.
func (l *lanes) pick(conn PacketConn) *lane {
	if _, is := conn.(*socket); !is {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.all {
		if one.load.Load() < laneFull {
			return one
		}
	}
	if len(l.all) < runtime.GOMAXPROCS(0) {
		if one, err := newLane(l.observe); err == nil {
			l.all = append(l.all, one)
			return one
		}
	}
	if len(l.all) == 0 {
		return nil // a goroutine a socket
	}
	return slices.MinFunc(l.all, func(a, b *lane) int { return int(a.load.Load() - b.load.Load()) })
}

// close ends the lanes; nothing may be on them.
func (l *lanes) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.all {
		one.stop()
	}
	l.all = nil
}

// lane is one loop. What it waits for is changed by itself only, between two
// looks: others leave it jobs.
type lane struct {
	epoll, bell int
	file        *os.File     // epoll, as the runtime's poller knows it
	load        atomic.Int32 // sockets
	observe     observe

	mu   sync.Mutex
	jobs []func()
	over chan struct{}
	gone chan struct{}

	seats  []seat
	empty  []int32 // seats that are free
	events [laneEvents]syscall.EpollEvent
	buffer [maxPacket]byte
	from   name
	turns  uint
}

// seat is a socket on a lane; without one it is free.
type seat struct {
	socket *socket
	handle handler
}

const bellSeat = -1

func newLane(o observe) (*lane, error) {
	l := &lane{observe: o, over: make(chan struct{}), gone: make(chan struct{})}
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	bell, _, errno := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		return nil, errors.Join(os.NewSyscallError("eventfd2", errno), syscall.Close(epoll))
	}
	l.epoll, l.bell = epoll, int(bell)
	err = errors.Join(syscall.SetNonblock(epoll, true), l.wait(l.bell, bellSeat)) // only then the runtime waits for it
	l.file = os.NewFile(uintptr(epoll), "lane")
	if err = errors.Join(err, l.file.SetReadDeadline(time.Time{})); err != nil {
		return nil, errors.Join(err, l.close())
	}
	go l.run()
	return l, nil
}

func (l *lane) close() error { return errors.Join(syscall.Close(l.bell), l.file.Close()) }

func (l *lane) wait(fd int, seat int32) error {
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: seat}))
}

// do has the lane run f between two looks, and waits for that.
func (l *lane) do(f func()) {
	done := make(chan struct{})
	l.mu.Lock()
	l.jobs = append(l.jobs, func() { f(); close(done) })
	l.mu.Unlock()
	one := [8]byte{1}
	_, _ = syscall.Write(l.bell, one[:])
	<-done
}

// add gives each packet of the sockets to their handlers, in the lane's thread,
// until remove returns. ok is false where one is no socket. A nil lane has none.
func (l *lane) add(sources ...source) (remove func(), ok bool) {
	if l == nil {
		return nil, false
	}
	var seats []seat
	for _, one := range sources {
		s, is := one.conn.(*socket)
		if !is {
			return nil, false
		}
		seats = append(seats, seat{s, one.handle})
	}
	var taken []int32
	var err error
	l.do(func() {
		for _, one := range seats {
			index := l.sit(one)
			taken = append(taken, index)
			if err = l.wait(one.socket.fd, index); err != nil {
				l.leave(taken)
				return
			}
		}
	})
	if err != nil {
		return nil, false
	}
	l.load.Add(int32(len(taken)))
	return func() {
		l.load.Add(-int32(len(taken)))
		l.do(func() { l.leave(taken) })
	}, true
}

// sit finds a seat. It and leave are the loop's own.
func (l *lane) sit(one seat) (index int32) {
	if n := len(l.empty); n > 0 {
		index, l.empty = l.empty[n-1], l.empty[:n-1]
		l.seats[index] = one
		return index
	}
	l.seats = append(l.seats, one)
	return int32(len(l.seats) - 1)
}

// leave waits for these no more. What the loop has seen of them already finds
// nobody there, or the next who sits there and has no packet.
func (l *lane) leave(taken []int32) {
	for _, index := range taken {
		_ = syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_DEL, l.seats[index].socket.fd, nil)
		l.seats[index] = seat{}
		l.empty = append(l.empty, index)
	}
}

func (l *lane) stop() {
	l.do(func() { close(l.over) })
	<-l.gone
}

// run is the loop: a goroutine that the runtime wakes when any of the lane's
// sockets has a packet, and that then takes all there are.
func (l *lane) run() {
	defer close(l.gone)
	raw, err := l.file.SyscallConn()
	if err == nil {
		err = raw.Read(l.look)
	}
	if err = errors.Join(err, l.close()); err != nil {
		panic(err) // the file is ours and open: a bug
	}
}

// look takes packets until there is none. It reports whether the lane is over.
func (l *lane) look(epoll uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, epoll, uintptr(unsafe.Pointer(&l.events)), laneEvents, 0, 0, 0)
		if n == 0 || errno != 0 {
			return false
		}
		now := time.Now()
		for i := range l.events[:n] {
			if index := l.events[i].Fd; index == bellSeat {
				l.work()
			} else if seat := &l.seats[index]; seat.socket != nil {
				l.take(now, seat.socket, seat.handle)
			}
		}
		select {
		case <-l.over:
			return true
		default:
		}
	}
}

// work does what others have asked for.
func (l *lane) work() {
	var count [8]byte
	_, _ = syscall.Read(l.bell, count[:])
	l.mu.Lock()
	jobs := l.jobs
	l.jobs = nil
	l.mu.Unlock()
	for _, job := range jobs {
		job()
	}
}

// take gives one packet of a socket to its handler. Now and then it measures how
// long that packet was here.
func (l *lane) take(now time.Time, s *socket, handle handler) {
	n, err := s.receive(l.buffer[:], &l.from)
	if err != nil {
		return
	}
	l.turns++
	measure := l.observe != nil && l.turns%measureEvery == 0
	var came int64
	if measure {
		came = s.stamp()
	}
	handle(now, l.buffer[:n], l.from.addr())
	if measure && came > 0 {
		if d := time.Duration(time.Now().UnixNano() - came); d > 0 && d < time.Second {
			l.observe(d)
		}
	}
}
