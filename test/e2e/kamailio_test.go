package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// kamailio is a PBX: phones register, the trunk needs digest.
type kamailio struct {
	*testing.T
	port   int
	output logBuffer
}

const (
	trunkPassword = "open sesame"
	phonePassword = "ring-ring"
)

// startKamailio starts it with a configuration of kamailio/. words are what stands
// there between two @, and what to put there.
func startKamailio(t *testing.T, words ...string) *kamailio {
	t.Helper()
	dir := t.TempDir()
	k := &kamailio{T: t, port: freePort(t)}
	file := fill(t, "kamailio/kamailio.cfg", dir, append(words,
		"port", strconv.Itoa(k.port), "trunk", trunkPassword, "phones", phonePassword)...)
	process := exec.Command("/usr/sbin/kamailio", "-DD", "-E", "-f", file, "-Y", dir, "-w", dir,
		"-P", filepath.Join(dir, "pid"), "-m", "32", "-M", "8")
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with its children
	process.Stdout, process.Stderr = &k.output, &k.output
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- process.Wait() }()
	t.Cleanup(func() {
		_ = process.Process.Signal(syscall.SIGTERM) // its children follow
		select {
		case <-over:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(-process.Process.Pid, syscall.SIGKILL)
		}
		if t.Failed() {
			t.Logf("kamailio:\n%s", k.output.String())
		}
	})
	until(t, "kamailio listens", func() bool {
		if len(over) > 0 {
			t.Fatalf("kamailio: %s", k.output.String())
		}
		return udpBound(t, k.port)
	})
	return k
}

// phone is a baresip that is registered under a number without its +.
func (k *kamailio) phone(hz int, number, more string) *baresip {
	k.Helper()
	b := startBaresip(k.T, hz, fmt.Sprintf("<sip:%s@127.0.0.1:%d>;auth_user=%[1]s;auth_pass=%[3]s;regint=300;answermode=auto%[4]s",
		strings.TrimPrefix(number, "+"), k.port, phonePassword, more))
	b.says("200 OK")
	return b
}
