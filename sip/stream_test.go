package sip

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const optionsOnStream = "OPTIONS sip:tandem@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.2;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n" +
	"Call-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"

func TestFrame(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		length   int
		fails    bool
	}{
		{"nothing", "", 0, false},
		{"half a head", "OPTIONS sip:a SIP/2.0\r\nVia: x\r\n", 0, false},
		{"whole", optionsOnStream, len(optionsOnStream), false},
		{"another after it", optionsOnStream + "OPT", len(optionsOnStream), false},
		{"bare line feeds", "SIP/2.0 200 OK\nl: 2\n\nab", 23, false},
		{"no length", "SIP/2.0 200 OK\r\nVia: x\r\n\r\n", 0, true},
		{"the same length twice", "SIP/2.0 200 OK\r\nl: 2\r\nContent-Length: 2\r\n\r\nab", 45, false},
		{"two lengths", "SIP/2.0 200 OK\r\nl: 2\r\nContent-Length: 3\r\n\r\nab", 0, true},
		{"body still to come", "SIP/2.0 200 OK\r\nl : 4\r\n\r\nab", 29, false},
		{"length of words", "SIP/2.0 200 OK\r\nContent-Length: many\r\n\r\n", 0, true},
		{"negative", "SIP/2.0 200 OK\r\nContent-Length: -1\r\n\r\n", 0, true},
		{"too long a body", "SIP/2.0 200 OK\r\nContent-Length: 999999\r\n\r\n", 0, true},
		{"endless head", "SIP/2.0 200 OK\r\n" + strings.Repeat("X: y\r\n", 10000), 0, true},
	} {
		if length, err := frame([]byte(tt.in)); length != tt.length || (err != nil) != tt.fails {
			t.Errorf("%s: %d, %v; want %d", tt.name, length, err, tt.length)
		}
	}
}

// readAll returns what sipgo would read of octets that come in pieces.
func readAll(t testing.TB, pieces ...string) (got string, sent string) {
	t.Helper()
	ours, theirs := net.Pipe()
	e := &Endpoint{parser: newParser(), log: testLog(), tracer: newTracer(nil), ctx: context.Background()}
	s := e.newStream(ours, "tcp")
	var answers bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(&answers, theirs)
	}()
	go func() {
		for _, piece := range pieces {
			_, _ = io.WriteString(theirs, piece)
		}
		_ = theirs.Close()
	}()
	b := make([]byte, 700)
	for {
		n, err := s.Read(b)
		got += string(b[:n])
		if err != nil {
			break
		}
	}
	_ = s.Close()
	<-done
	return got, answers.String()
}

func TestStreamPassesWholeMessagesOnly(t *testing.T) {
	broken := "OPTIONS nonsense\r\nVia: ???\r\nContent-Length: 2\r\n\r\nxx"
	got, sent := readAll(t, "\r\n\r\n", optionsOnStream[:10], optionsOnStream[10:150], optionsOnStream[150:]+broken+"\r\n"+optionsOnStream+optionsOnStream[:50])
	if got != optionsOnStream+optionsOnStream {
		t.Errorf("read %q", got)
	}
	if sent != "\r\n" {
		t.Errorf("a ping was answered by %q", sent)
	}
}

// Where it was cut by the network makes no difference.
func FuzzStream(f *testing.F) {
	f.Add([]byte(optionsOnStream+"\r\n\r\n"+optionsOnStream), uint16(7))
	f.Add([]byte("SIP/2.0 200 OK\nl: 2\n\nab\r\n\r\n\r\n"), uint16(1))
	f.Add([]byte("\r\n\r\n\r\nSIP/2.0 200 OK\r\nContent-Length: 9999\r\n\r\n"), uint16(3))
	f.Fuzz(func(t *testing.T, data []byte, at uint16) {
		e := &Endpoint{parser: newParser(), log: testLog(), tracer: newTracer(nil), ctx: context.Background()}
		read := func(pieces ...[]byte) string {
			s := e.newStream(sink{}, "tcp")
			for _, piece := range pieces {
				s.in = append(s.in, piece...)
				if s.cut() != nil {
					break
				}
			}
			return string(s.out)
		}
		cut := min(int(at), len(data))
		if bytes.HasSuffix(data[:cut], []byte("\r")) || bytes.HasSuffix(data[:cut], []byte("\n")) {
			return // a blank line in two pieces may be a pong and a pong, or a ping
		}
		if whole, parts := read(data), read(data[:cut], data[cut:]); whole != parts && len(data) < maxHead {
			t.Errorf("whole %q, in two pieces %q", whole, parts)
		}
	})
}

// sink is a connection that takes everything.
type sink struct{ net.Conn }

func (sink) Write(b []byte) (int, error) { return len(b), nil }
func (sink) LocalAddr() net.Addr         { return &net.TCPAddr{} }
func (sink) RemoteAddr() net.Addr        { return &net.TCPAddr{} }
func (sink) Close() error                { return nil }

func (sink) SetWriteDeadline(time.Time) error { return nil }

// A connection whose pongs stop is closed; one that never had any is left alone.
func TestPings(t *testing.T) {
	for _, answers := range []int{0, 2} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			ctx, cancel := context.WithCancel(t.Context())
			e := &Endpoint{parser: newParser(), log: testLog(), tracer: newTracer(nil), ctx: ctx}
			s := e.newStream(ours, "tcp")
			go func() {
				b := make([]byte, 100)
				for {
					if _, err := s.Read(b); err != nil {
						return
					}
				}
			}()
			if err := s.SetWriteDeadline(time.Now().Add(tcpTimeout)); err != nil { // as sipgo does
				t.Error(err)
			}
			go (&flows{e: e}).watch(s)
			pings := 0
			go func() {
				b := make([]byte, 100)
				for {
					n, err := theirs.Read(b)
					if err != nil {
						return
					}
					if string(b[:n]) == "\r\n\r\n" {
						if pings++; pings <= answers {
							_, _ = theirs.Write(pong)
						}
					}
				}
			}()
			<-time.After(10 * time.Minute)
			synctest.Wait()
			closed := false
			select {
			case <-s.broken:
				closed = true
			default:
			}
			if closed != (answers > 0) || answers > 0 && pings != answers+1 || answers == 0 && pings < 15 {
				t.Errorf("%d pongs: closed %v after %d pings", answers, closed, pings)
			}
			cancel()
			_ = s.Close()
			_ = theirs.Close()
		})
	}
}
