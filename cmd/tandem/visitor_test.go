package main

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestYouAreTheRep: the phone rings on its page, is answered there, is heard
// there, and its 1 connects the call.
func TestYouAreTheRep(t *testing.T) {
	you := newVisitor()
	var said strings.Builder
	d, err := startDemo(demoOptions{speed: 10, you: you, tell: teller{out: &said}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	}()
	_, after, _ := strings.Cut(said.String(), "Phone     ")
	page, _, _ := strings.Cut(after, " ")
	states, err := http.Get(page + "state")
	if err != nil {
		t.Fatal(err)
	}
	defer states.Body.Close()
	lines := bufio.NewScanner(states.Body)
	until := func(state string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == "data: "+state {
				return
			}
		}
		t.Fatalf("never %s: %v", state, lines.Err())
	}
	act := func(what string, want int) {
		t.Helper()
		res, err := http.Post(page+"act/"+what, "", nil)
		if err != nil || res.StatusCode != want {
			t.Fatalf("%s: %v %v", what, res, err)
		}
		_ = res.Body.Close()
	}
	until("idle")
	act("answer", http.StatusConflict)
	id, err := d.place(demoRep, demoProspect)
	if err != nil {
		t.Fatal(err)
	}
	until("ringing")
	act("1", http.StatusConflict)
	act("answer", http.StatusOK)
	until("up")
	sound, err := http.Get(page + "sound")
	if err != nil {
		t.Fatal(err)
	}
	defer sound.Body.Close()
	loudest := 0
	b := make([]byte, 2*8000) // the prompt's first second
	if _, err := io.ReadFull(sound.Body, b); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(b); i += 2 {
		loudest = max(loudest, int(int16(b[i])|int16(b[i+1])<<8))
	}
	if loudest < 1000 {
		t.Errorf("the prompt is not heard: %d", loudest)
	}
	act("1", http.StatusOK)
	call := func(status string) {
		t.Helper()
		c := client{url: "http://" + d.app.HTTP.String(), key: d.key}
		answer, err := c.do("GET", "/v1/calls/"+id+"?wait="+status+"&timeout_s=30", nil)
		if err != nil || !strings.Contains(string(answer), `"status":"`+status+`"`) {
			t.Fatalf("not %s: %s %v", status, answer, err)
		}
	}
	call("in_progress")
	act("hangup", http.StatusOK)
	until("idle")
	call("ended")
}
