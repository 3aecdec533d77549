package sip

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestReliableProvisional(t *testing.T) {
	inBubble(t, func(w *world) {
		call := invite()
		var heard []int
		call.OnProgress = func(p Progress) { heard = append(heard, p.Code) }
		d := w.dial(call)
		inv := w.expect("INVITE")
		reliable := func(status, rseq string) {
			w.respond(inv, status, "callee", peerContact, "Require: 100rel", "RSeq: "+rseq, "Record-Route: <sip:10.0.0.2;lr>", "body:"+sdpAnswer)
		}
		reliable("183 Session Progress", "776")
		prack := w.expect("PRACK")
		if prack.get("rack") != "776 1 INVITE" || prack.cseq() <= inv.cseq() || prack.param("to", "tag") != "callee" ||
			prack.get("route") != "<sip:10.0.0.2;lr>" || prack.uri() != "sip:callee@10.0.0.2:5060" {
			t.Errorf("PRACK %v", prack)
		}
		w.respond(prack, "200 OK", "")
		reliable("183 Session Progress", "776") // repeated: no second PRACK, no second progress
		reliable("180 Ringing", "778")          // one is missing: wait for it
		w.quiet(300 * time.Millisecond)
		reliable("180 Ringing", "777")
		second := w.expect("PRACK")
		if second.get("rack") != "777 1 INVITE" || second.cseq() <= prack.cseq() {
			t.Errorf("PRACK %v", second)
		}
		w.respond(second, "200 OK", "")

		w.respond(inv, "200 OK", "callee", peerContact)
		ack := w.expect("ACK")
		if ack.cseq() != inv.cseq() {
			t.Errorf("ACK has CSeq %d, the INVITE %d", ack.cseq(), inv.cseq())
		}
		l := d.up()
		if !slices.Equal(heard, []int{183, 180}) {
			t.Errorf("heard %v", heard)
		}
		l.Hangup(Reason{})
		if bye := w.answerBye(); bye.cseq() <= second.cseq() {
			t.Errorf("BYE has CSeq %d after %d", bye.cseq(), second.cseq())
		}
		w.wantEmpty()
	})
}

// Once the reliable 183 has answered our offer, the peer may make its own.
func TestUpdateInEarlyDialog(t *testing.T) {
	inBubble(t, func(w *world) {
		m := new(mediaStub)
		d := w.dial(withMedia(m))
		inv := w.expect("INVITE")
		w.respond(inv, "183 Session Progress", "callee", peerContact, "Require: 100rel", "RSeq: 1", "body:"+sdpAnswer)
		w.respond(w.expect("PRACK"), "200 OK", "")
		w.ask("UPDATE", inv, "callee", 1, "body:"+sdpHold)
		if res := w.expect("200"); res.body != sdpOffer {
			t.Errorf("answer %q", res.body)
		}
		w.respond(inv, "200 OK", "callee", peerContact)
		w.expect("ACK")
		l := d.up()
		if answer := l.Answer(); answer != nil {
			t.Errorf("the UPDATE's offer stands, not %q", answer)
		}
		l.Hangup(Reason{})
		w.answerBye()
	})
}

func TestEarlyDialogsAreBounded(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		for i := range 1000 {
			w.respond(inv, "180 Ringing", "tag"+string(rune('a'+i%26))+string(rune('a'+i/26)), peerContact)
			synctest.Wait()
		}
		l := w.onlyLeg()
		got := make(chan int)
		l.do(func() { got <- len(l.forks) })
		if n := <-got; n > forksLimit {
			t.Errorf("%d early dialogs", n)
		}
		w.respond(inv, "486 Busy Here", "tagaa")
		w.expect("ACK")
		_ = d.fails()
	})
}
