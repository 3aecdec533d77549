//go:build !(linux && (amd64 || arm64))

package kernel

import (
	"net/netip"
	"runtime"
)

// Table is the flows; there is none here.
type Table struct{}

// Entry is a Flow that is in the kernel.
type Entry struct{}

// Open says that there is no kernel path here.
func Open(Config) (*Table, error) {
	return nil, refuse(Platform, "there is none on %s/%s; it needs Linux 6.6 on amd64 or arm64", runtime.GOOS, runtime.GOARCH)
}

// Interfaces names those that carry a media address.
func Interfaces(netip.Addr) ([]string, error) { return nil, nil }

// Add puts a flow in.
func (*Table) Add(Flow) (*Entry, error) { return nil, refuse(Platform, "there is none") }

// Len is how many flows are in.
func (*Table) Len() int { return 0 }

// Close takes every flow out, and the program off the interfaces.
func (*Table) Close() error { return nil }

// Tally is what the flow did so far.
func (*Entry) Tally() Tally { return Tally{} }

// Remove takes the flow out.
func (*Entry) Remove() Tally { return Tally{} }
