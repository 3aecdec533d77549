package page

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestWhatCannotBeHad: a line that must be waited for, no line at all, a 1 that
// nobody presses, a disk that is full, a trunk that is gone: what the page says of
// each.
func TestWhatCannotBeHad(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatalf("a disk of its own, which takes root: %v", err)
	}
	t.Cleanup(func() { // after tandem's end
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	a := start(t, world{speed: 1, confirm: 8 * time.Second, channels: 4, cps: 0.25, keepalive: "options: 2s, fail_after: 1", dir: disk})
	plug := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { a.unplug() }))
	defer plug.Close()
	said := drive(t, a, "full.mjs", "SCREENS="+screens(t), "ORG=http://localhost", "DISK="+disk, "PLUG="+plug.URL, "LINKS="+links(t, a, "kim", "lou", "max"))
	if err := os.Remove(disk + "/filler"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the disk is still full: %v", err)
	}
	t.Log(said)
}
