//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	ngAddress = "127.0.0.1:2223"
	patience  = 10 * time.Second
)

// rtpengine is a process of it, driven over its ng protocol (bencode over UDP).
type rtpengine struct {
	cmd  *exec.Cmd
	conn net.Conn
	log  bytes.Buffer
}

func (r *rtpengine) start(calls int, a, b netip.AddrPort) (all []ports, err error) {
	r.cmd = exec.Command("rtpengine", "--foreground", "--interface=127.0.0.1", "--listen-ng="+ngAddress, "--table=-1",
		"--port-min="+strconv.Itoa(firstPort), "--port-max="+strconv.Itoa(lastPort), "--log-stderr", "--log-level=3", "--timeout=3600", "--tos=184")
	r.cmd.Stderr = &r.log
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("rtpengine (apt-get install rtpengine): %w", err)
	}
	if r.conn, err = net.Dial("udp", ngAddress); err != nil {
		return nil, err
	}
	if err := r.up(); err != nil {
		return nil, err
	}
	for i := range calls {
		call := fmt.Sprintf("bench-%d", i)
		towardB, err := r.ask(map[string]string{"command": "offer", "call-id": call, "from-tag": "a", "ICE": "remove", "sdp": string(describe(a, "sendrecv"))})
		if err != nil {
			return nil, err
		}
		towardA, err := r.ask(map[string]string{"command": "answer", "call-id": call, "from-tag": "a", "to-tag": "b", "ICE": "remove", "sdp": string(describe(b, "sendrecv"))})
		if err != nil {
			return nil, err
		}
		all = append(all, ports{A: towardA, B: towardB})
	}
	return all, nil
}

// up waits until it answers.
func (r *rtpengine) up() error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if answer, err := r.exchange(map[string]string{"command": "ping"}, 200*time.Millisecond); err == nil && strings.Contains(answer, "pong") {
			return nil
		}
	}
	return fmt.Errorf("rtpengine does not answer:\n%s", r.log.String())
}

// ask sends a command with a session description, and returns the port of the
// one that comes back.
func (r *rtpengine) ask(command map[string]string) (uint16, error) {
	answer, err := r.exchange(command, patience)
	if err != nil {
		return 0, err
	}
	port, err := audioPort([]byte(answer))
	if err != nil {
		return 0, fmt.Errorf("rtpengine: %q: %w", answer, err)
	}
	return port, nil
}

func (r *rtpengine) exchange(command map[string]string, within time.Duration) (string, error) {
	cookie := strconv.FormatInt(time.Now().UnixNano(), 36)
	if _, err := r.conn.Write([]byte(cookie + " " + bencode(command))); err != nil {
		return "", err
	}
	if err := r.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return "", err
	}
	b := make([]byte, 64<<10)
	for {
		n, err := r.conn.Read(b)
		if err != nil {
			return "", err
		}
		if answer, is := strings.CutPrefix(string(b[:n]), cookie+" "); is {
			return answer, nil
		}
	}
}

// bencode writes a dictionary of strings.
func bencode(d map[string]string) string {
	var b strings.Builder
	b.WriteByte('d')
	for k, v := range d {
		fmt.Fprintf(&b, "%d:%s%d:%s", len(k), k, len(v), v)
	}
	b.WriteByte('e')
	return b.String()
}

// audioPort finds the port of a session description's audio.
func audioPort(text []byte) (uint16, error) {
	_, after, found := bytes.Cut(text, []byte("m=audio "))
	port, _, _ := bytes.Cut(after, []byte(" "))
	n, err := strconv.ParseUint(string(port), 10, 16)
	if !found || err != nil {
		return 0, errors.New("no audio port")
	}
	return uint16(n), nil
}

func (r *rtpengine) pid() int      { return r.cmd.Process.Pid }
func (r *rtpengine) allocs() int64 { return -1 }

func (r *rtpengine) stop() error {
	if r.conn != nil {
		r.conn.Close()
	}
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() { _ = r.cmd.Wait(); close(done) }() // a signal ends it
	select {
	case <-done:
	case <-time.After(patience):
		return r.cmd.Process.Kill()
	}
	return nil
}
