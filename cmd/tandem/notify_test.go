package main

import (
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TestServiceManagerIsTold: READY when it serves, and the watchdog's due.
func TestServiceManagerIsTold(t *testing.T) {
	addr := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"}
	manager, err := net.ListenUnixgram("unixgram", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", addr.Name)
	t.Setenv("WATCHDOG_USEC", "150000")
	log := slog.New(slog.DiscardHandler)
	tell(log, "READY=1")
	stop := keepAlive(log)
	defer stop()
	for _, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
		b := make([]byte, 100)
		if err := manager.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := manager.Read(b)
		if err != nil || string(b[:n]) != want {
			t.Fatalf("%q %v, not %s", b[:n], err, want)
		}
	}
}
