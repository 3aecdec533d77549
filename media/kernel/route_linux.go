//go:build amd64 || arm64

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"
	"unsafe"
)

// route is how packets get to an address.
type route struct {
	via    uint64     // as in relay.c: the interface, and whether it is this machine
	source netip.Addr // ours, that the kernel would choose
}

// Of a route message (rtnetlink(7)); package syscall has the rest.
const (
	rtnUnicast = 1
	rtnLocal   = 2
)

// routeTo asks the kernel for the route to an address, from one of ours unless
// that is unspecified.
func routeTo(to, from netip.Addr, tos uint8) (route, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_ROUTE)
	if err != nil {
		return route{}, err
	}
	defer syscall.Close(fd)
	request := routeRequest(to, from, tos)
	if err := syscall.Sendto(fd, request, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return route{}, err
	}
	buffer := make([]byte, 4096)
	n, _, err := syscall.Recvfrom(fd, buffer, 0)
	if err != nil {
		return route{}, err
	}
	messages, err := syscall.ParseNetlinkMessage(buffer[:n])
	if err != nil {
		return route{}, err
	}
	for _, m := range messages {
		switch m.Header.Type {
		case syscall.NLMSG_ERROR:
			return route{}, fmt.Errorf("no route: %w", syscall.Errno(-int32(binary.NativeEndian.Uint32(m.Data))))
		case syscall.RTM_NEWROUTE:
			return parseRoute(m)
		}
	}
	return route{}, errors.New("no route: no answer")
}

func routeRequest(to, from netip.Addr, tos uint8) []byte {
	b := make([]byte, syscall.SizeofNlMsghdr+syscall.SizeofRtMsg)
	m := (*syscall.RtMsg)(unsafe.Pointer(&b[syscall.SizeofNlMsghdr]))
	m.Family, m.Dst_len, m.Tos = syscall.AF_INET6, uint8(to.BitLen()), tos
	if to.Is4() {
		m.Family = syscall.AF_INET
		m.Tos &= 0x1c // RT_TOS: what routes may be chosen by
	}
	attribute := func(kind uint16, value []byte) {
		b = binary.NativeEndian.AppendUint16(b, uint16(syscall.SizeofRtAttr+len(value)))
		b = binary.NativeEndian.AppendUint16(b, kind)
		b = append(b, value...)
	}
	attribute(syscall.RTA_DST, to.AsSlice())
	if !from.IsUnspecified() {
		m.Src_len = uint8(from.BitLen())
		attribute(syscall.RTA_SRC, from.AsSlice())
	}
	h := (*syscall.NlMsghdr)(unsafe.Pointer(&b[0]))
	h.Len, h.Type, h.Flags = uint32(len(b)), syscall.RTM_GETROUTE, syscall.NLM_F_REQUEST
	return b
}

func parseRoute(m syscall.NetlinkMessage) (r route, err error) {
	attributes, err := syscall.ParseNetlinkRouteAttr(&m)
	if err != nil {
		return r, err
	}
	for _, a := range attributes {
		switch a.Attr.Type {
		case syscall.RTA_OIF:
			r.via = uint64(binary.NativeEndian.Uint32(a.Value))
		case syscall.RTA_PREFSRC:
			r.source, _ = netip.AddrFromSlice(a.Value)
		}
	}
	switch kind := (*syscall.RtMsg)(unsafe.Pointer(&m.Data[0])).Type; {
	case kind == rtnLocal:
		lo, err := loopback()
		r.via = here | uint64(lo)
		return r, err
	case kind != rtnUnicast || r.via == 0:
		return route{}, errors.New("no route: unreachable, or not one address")
	}
	return r, nil
}

// loopback is the index of lo.
func loopback() (int, error) {
	all, err := net.Interfaces()
	if err != nil {
		return 0, err
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 {
			return i.Index, nil
		}
	}
	return 0, errors.New("no loopback interface")
}

// watcher hears of changes of interfaces, addresses, routes and rules.
type watcher struct {
	file *os.File
	done chan struct{}
}

// settleTime is how long changes are gathered before flows are led anew.
const settleTime = 100 * time.Millisecond

// groups are what a watcher hears: RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE,
// _IPV4_RULE, _IPV6_IFADDR, _IPV6_ROUTE, and RTNLGRP_IPV6_RULE.
const groups = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 1<<18

// watchNetwork calls changed after each change, in a goroutine of its own.
func watchNetwork(changed func()) (*watcher, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK, Groups: groups}); err != nil {
		return nil, errors.Join(err, syscall.Close(fd))
	}
	w := &watcher{file: os.NewFile(uintptr(fd), "netlink"), done: make(chan struct{})}
	go w.run(changed)
	return w, nil
}

func (w *watcher) run(changed func()) {
	defer close(w.done)
	buffer := make([]byte, 64<<10)
	for {
		_, err := w.file.Read(buffer)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		// Any other error is ENOBUFS: changes were missed, so look as well.
		changed()
		time.Sleep(settleTime)
	}
}

func (w *watcher) close() error {
	err := w.file.Close()
	<-w.done
	return err
}

// networkChanged leads every flow anew, and attaches to interfaces that came back.
func (t *Table) networkChanged() {
	for _, e := range t.reattach() {
		e.reroute()
	}
}

// reattach returns the flows there are. No look-up of routes is made under mu,
// which packets wait for.
func (t *Table) reattach() (entries []*Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	for _, name := range t.names {
		i, err := net.InterfaceByName(name)
		if a, was := t.links[name]; was && (err != nil || i.Index != a.index) {
			t.log.Warn("kernel path: interface gone", "interface", name)
			_ = a.link.Close() // it went with the interface
			delete(t.links, name)
		}
		if _, on := t.links[name]; on || err != nil {
			continue
		}
		if err := t.attach(name); err != nil {
			t.log.Warn("kernel path: interface not attached", "interface", name, "err", err)
		}
	}
	return slices.Collect(maps.Values(t.entries))
}

// monotonic is CLOCK_MONOTONIC, as the program reads it, in ns.
func monotonic() int64 {
	var t syscall.Timespec
	const clockMonotonic = 1
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&t)), 0)
	if errno != 0 {
		return 0
	}
	return t.Nano()
}
