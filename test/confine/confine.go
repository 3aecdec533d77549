//go:build linux && (amd64 || arm64)

// Package confine starts processes that may not have the kernel path, as it is
// for tandem on old kernels and in containers. It needs root.
package confine

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// A Way is one more thing that the processes started in it may not do.
type Way func() error

// Start runs f, which starts processes, in a thread of its own that goes this
// way. What f starts stays confined; the thread ends with f.
func (w Way) Start(f func()) error {
	err := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with us
		confined := w()
		if confined == nil {
			f()
		}
		err <- confined
	}()
	return <-err
}

// Commands of bpf(2).
const (
	Any        = ^uint32(0)
	LinkCreate = 28
)

// Capabilities takes every capability, also from root.
func Capabilities() error {
	const drop = 24 // PR_CAPBSET_DROP: what root would get by execve(2)
	for capability := uintptr(0); ; capability++ {
		switch _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, drop, capability, 0); errno {
		case 0:
		case syscall.EINVAL: // there are no more
			return nil
		default:
			return os.NewSyscallError("prctl", errno)
		}
	}
}

// BPF has a command of bpf(2) fail, by a filter as containers have (seccomp(2)).
func BPF(command uint32, with syscall.Errno) Way {
	const (
		load, equal, give = 0x20, 0x15, 0x06 // linux/bpf_common.h
		allow, fail       = 0x7fff0000, 0x00050000
		call, first       = 0, 16 // where struct seccomp_data has the call, and its first argument
	)
	program := []instruction{
		{load, 0, 0, call},
		{equal, 0, 3, callBPF},
		{load, 0, 0, first},
		{equal, 0, 1, command},
		{give, 0, 0, fail | uint32(with)},
		{give, 0, 0, allow},
	}
	if command == Any {
		program = append(program[:2], program[4:]...)
		program[1].no = 1
	}
	return func() error {
		const setSeccomp, filter = 22, 2
		list := struct {
			n     uint16
			first *instruction
		}{uint16(len(program)), &program[0]}
		_, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setSeccomp, filter, uintptr(unsafe.Pointer(&list)))
		if errno != 0 {
			return os.NewSyscallError("seccomp", errno)
		}
		return nil
	}
}

// instruction is one of classic BPF.
type instruction struct {
	code    uint16
	yes, no uint8 // how many are skipped
	k       uint32
}
