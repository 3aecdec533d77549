package main

import (
	"embed"
	"encoding/binary"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"tandem/test/carrier"
)

//go:embed phone
var phonePage embed.FS

// visitor is the rep's phone in the hand of whoever looks at the demo: a page with
// a drawn phone, on which they answer and press keys, and hear what it hears.
type visitor struct {
	dialer string                 // where the rep's page is, framed beside the phone
	token  func() (string, error) // signs the rep in there

	mu      sync.Mutex
	state   string // idle, ringing, up
	call    *carrier.Call
	answer  chan struct{} // of the call that rings
	changed chan struct{} // closed when state is another
}

func newVisitor() *visitor { return &visitor{state: "idle", changed: make(chan struct{})} }

// script is the phone's part of a call.
func (v *visitor) script(call *carrier.Call) {
	answer := make(chan struct{})
	v.turn("ringing", call, answer)
	defer v.turn("idle", nil, nil)
	call.Ring()
	select {
	case <-answer:
		call.Answer(carrier.RepTone)
		v.turn("up", call, nil)
		<-call.Over()
	case <-call.Over():
	}
}

func (v *visitor) turn(state string, call *carrier.Call, answer chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.state, v.call, v.answer = state, call, answer
	close(v.changed)
	v.changed = make(chan struct{})
}

func (v *visitor) now() (state string, call *carrier.Call, changed <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.state, v.call, v.changed
}

// act is what the visitor does: answer, hangup, or a key.
func (v *visitor) act(what string) bool {
	v.mu.Lock()
	call, state, answer := v.call, v.state, v.answer
	if what == "answer" && state == "ringing" {
		v.answer = nil
	}
	v.mu.Unlock()
	switch {
	case what == "answer" && state == "ringing" && answer != nil:
		close(answer)
	case what == "hangup" && state == "up":
		call.Hangup()
	case what == "hangup" && state == "ringing":
		call.Reject("603 Decline", "")
	case len(what) == 1 && strings.Contains("0123456789*#", what) && state == "up":
		call.PressEvent(what[0])
	default:
		return false
	}
	return true
}

// serve serves the phone until it is closed.
func (v *visitor) serve(listener net.Listener) (*http.Server, error) {
	pages, err := fs.Sub(phonePage, "phone")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(pages))
	mux.HandleFunc("GET /dialer", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, v.dialer) })
	mux.HandleFunc("POST /token", v.signIn)
	mux.HandleFunc("GET /state", v.states)
	mux.HandleFunc("GET /sound", v.sound)
	mux.HandleFunc("POST /act/{what}", func(w http.ResponseWriter, r *http.Request) {
		if !v.act(r.PathValue("what")) {
			w.WriteHeader(http.StatusConflict)
		}
	})
	server := &http.Server{Handler: http.NewCrossOriginProtection().Handler(mux), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends when it is closed
	return server, nil
}

// signIn gives the page a token for the dialer in it, as a CRM's backend does.
func (v *visitor) signIn(w http.ResponseWriter, _ *http.Request) {
	token, err := v.token()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprint(w, token)
}

// states streams what the phone does, as server-sent events.
func (v *visitor) states(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		state, _, changed := v.now()
		if _, err := fmt.Fprintf(w, "data: %s\n\n", state); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// sound streams what the phone hears in this call: 8 kHz, mono, 16 bits, little
// endian.
func (v *visitor) sound(w http.ResponseWriter, r *http.Request) {
	_, call, _ := v.now()
	if call == nil {
		w.WriteHeader(http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	clock := time.NewTicker(40 * time.Millisecond)
	defer clock.Stop()
	for n := 0; ; {
		heard := call.HeardFrom(n)
		n += len(heard)
		var chunk []byte
		for _, x := range heard {
			chunk = binary.LittleEndian.AppendUint16(chunk, uint16(x))
		}
		if _, err := w.Write(chunk); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-clock.C:
		case <-call.Over():
			return
		case <-r.Context().Done():
			return
		}
	}
}
