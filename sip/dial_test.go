package sip

import (
	"net"
	"slices"
	"testing"
	"time"
)

func TestDialAnswersAndHangsUp(t *testing.T) {
	inBubble(t, func(w *world) {
		l, inv := w.connect(invite())
		if got := string(l.Answer()); got != sdpAnswer {
			t.Errorf("answer %q", got)
		}
		if inv.body != sdpOffer || inv.uri() != "sip:+441632960001@10.0.0.2" {
			t.Errorf("INVITE %s\n%s", inv.uri(), inv.body)
		}
		l.Hangup(Reason{Protocol: "Q.850", Cause: 16})
		bye := w.answerBye()
		<-l.Done()
		if bye.cseq() <= inv.cseq() || bye.param("to", "tag") != "callee" {
			t.Errorf("BYE %v", bye)
		}
		if want := []State{Calling, Answered, Ending, Gone}; !slices.Equal(w.states(), want) {
			t.Errorf("saved %v, want %v", w.states(), want)
		}
		w.wantEmpty()
	})
}

func TestPeerHangsUp(t *testing.T) {
	inBubble(t, func(w *world) {
		l, inv := w.connect(invite())
		w.ask("BYE", inv, "callee", 1, `Reason: Q.850;cause=16;text="Normal call clearing"`)
		w.expect("200")
		<-l.Context().Done()
		<-l.Done()
		w.wantEmpty()
	})
}

func TestRealUDP(t *testing.T) {
	ours, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	port := uint16(theirs.LocalAddr().(*net.UDPAddr).Port)
	e, err := Open(Config{
		UDP:    []net.PacketConn{ours},
		Trunks: []TrunkConfig{{Name: "carrier", Host: "127.0.0.1", Port: port}},
		Log:    testLog(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()

	heard := make(chan message, 16)
	go answerEverything(theirs, heard)
	l, err := e.Dial(t.Context(), invite())
	if err != nil {
		t.Fatal(err)
	}
	l.Hangup(Reason{})
	<-l.Done()
	for _, want := range []string{"INVITE", "ACK", "BYE"} {
		m := <-heard
		if m.method() != want {
			t.Errorf("got %s, want %s", m.method(), want)
		}
		if m.from.String() != ours.LocalAddr().String() {
			t.Errorf("%s from %s, not from the socket %s", want, m.from, ours.LocalAddr())
		}
	}
	if limit := time.Minute; e.transactionLife() > limit {
		t.Errorf("transactions live %v", e.transactionLife())
	}
}

// answerEverything is a trunk on a real socket that says 200.
func answerEverything(conn net.PacketConn, heard chan<- message) {
	b := make([]byte, 65535)
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			return
		}
		m := parseMessage(string(b[:n]), from)
		heard <- m
		if m.method() != "ACK" {
			_, _ = conn.WriteTo([]byte(response(m, "200 OK", "t", "Contact: <sip:x@"+conn.LocalAddr().String()+">", "body:"+sdpAnswer)), from)
		}
	}
}
