//go:build linux && (amd64 || arm64)

package main

import (
	"testing"
	"time"

	"tandem/test/namespace"
)

// TestSoak is the soak, short: calls that are held, re-invited, prompted, ended
// and begun anew while their sound goes by the kernel leave nothing.
func TestSoak(t *testing.T) {
	if !namespace.Alone(t, refused) {
		return
	}
	if err := soak(50, 8*time.Second); err != nil {
		t.Error(err)
	}
}

// refused is for a machine without the kernel path.
func refused(t *testing.T) {
	b, err := openBridge("kernel", 2)
	if err != nil {
		return
	}
	if !namespace.MayLoad(t) { // else it is only a network of its own that is not to be had
		t.Error("the kernel path opens where it may not")
	}
	if err := b.table.Close(); err != nil {
		t.Error(err)
	}
}
