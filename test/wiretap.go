package test

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Message is a SIP message as it was sent.
type Message struct {
	At     time.Time
	Out    bool   // tandem sent it
	First  string // request or status line
	Method string // of the request, or of the one that is answered
	Code   int    // of a response, 0 for a request
	CSeq   int
	Branch string // of the topmost Via
	ToTag  string
	Head   string // all headers
	Body   string
	Again  bool // a repetition of one sent before
	Lost   bool
}

// Header is the value of the first header of a name; "" = none.
func (m *Message) Header(name string) string { return headerIn(m.Head, name) }

// Dialog is all that was said under one Call-ID that began with an INVITE of
// tandem's.
type Dialog struct {
	CallID   string
	Number   string // that was called, with its +
	Messages []*Message

	seen map[string]bool
}

// Turn is where what is heard on a leg changes.
type Turn struct {
	At    time.Time
	Out   bool   // tandem sent it
	Sound string // what it is
}

// Gap is when nothing was sent to a leg, and for how long.
type Gap struct {
	At  time.Time
	For time.Duration
}

// Sounds is what is heard on the leg of one number.
type Sounds struct {
	Number  string
	Turns   []Turn
	LastOut time.Time // the newest packet to the leg
	Gaps    []Gap     // longer than two seconds, between packets to the leg

	said    map[string]bool // what the leg's phone has sent
	now     [2]string
	pressed uint32 // timestamp of the newest key, so that one press is one turn
}

// Wiretap keeps what is said on a Network between tandem and everybody else.
type Wiretap struct {
	us    netip.Addr
	known map[string][]byte // tandem's own sounds by name, as PCMU

	mu      sync.Mutex
	dialogs map[string]*Dialog // by Call-ID
	order   []*Dialog
	ports   map[uint16]*Sounds // by tandem's port
	sounds  []*Sounds
	awaited []awaited
}

// NewWiretap listens to whoever talks with us. known is what tandem plays by
// itself; sound that is neither that nor the other party's is called "sound".
func NewWiretap(us netip.Addr, known map[string][]byte) *Wiretap {
	return &Wiretap{us: us, known: known, dialogs: make(map[string]*Dialog), ports: make(map[uint16]*Sounds)}
}

// Datagram is a Network's Tap.
func (w *Wiretap) Datagram(d Datagram) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(d.Data) > 12 && d.Data[0]>>6 == 2 {
		w.packet(d)
	} else {
		w.message(d)
	}
}

var (
	numberCalled = regexp.MustCompile(`sips?:(\+?\d+)@`)
	branchOf     = regexp.MustCompile(`branch=([^;,\s]+)`)
	tagOf        = regexp.MustCompile(`;tag=([^;\s]+)`)
	audioPort    = regexp.MustCompile(`m=audio (\d+) `)
)

func headerIn(head, name string) string {
	for line := range strings.SplitSeq(head, "\r\n") {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func group(re *regexp.Regexp, text string) string {
	if found := re.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}

// message keeps a SIP message.
func (w *Wiretap) message(d Datagram) {
	head, body, _ := strings.Cut(string(d.Data), "\r\n\r\n")
	first, head, ok := strings.Cut(head, "\r\n")
	if !ok {
		return
	}
	m := &Message{At: d.At, Out: d.From.Addr() == w.us, First: first, Head: head, Body: body, Lost: d.Lost,
		Branch: group(branchOf, headerIn(head, "Via")), ToTag: group(tagOf, headerIn(head, "To"))}
	if status, is := strings.CutPrefix(first, "SIP/2.0 "); is {
		m.Code, _ = strconv.Atoi(status[:min(3, len(status))])
	}
	number, method, _ := strings.Cut(headerIn(head, "CSeq"), " ")
	m.CSeq, _ = strconv.Atoi(number)
	m.Method = method
	callID := headerIn(head, "Call-ID")
	dialog := w.dialogs[callID]
	if dialog == nil {
		if m.Method != "INVITE" || m.Code != 0 || !m.Out {
			return
		}
		dialog = &Dialog{CallID: callID, Number: group(numberCalled, headerIn(head, "To")), seen: make(map[string]bool)}
		w.dialogs[callID], w.order = dialog, append(w.order, dialog)
	}
	key := first + m.Branch + m.ToTag + headerIn(head, "CSeq")
	m.Again, dialog.seen[key] = dialog.seen[key], true
	dialog.Messages = append(dialog.Messages, m)
	w.tell(dialog.Number, m)
	if port, err := strconv.ParseUint(group(audioPort, body), 10, 16); err == nil && m.Out && w.ports[uint16(port)].of(dialog.Number) == nil {
		s := &Sounds{Number: dialog.Number, said: make(map[string]bool)}
		w.ports[uint16(port)], w.sounds = s, append(w.sounds, s)
	}
}

// of is s if it belongs to a number.
func (s *Sounds) of(number string) *Sounds {
	if s == nil || s.Number != number {
		return nil
	}
	return s
}

// Await waits until a request of this method is sent on a number's leg, by
// either side.
func (w *Wiretap) Await(number, method string) {
	said := make(chan struct{})
	w.mu.Lock()
	w.awaited = append(w.awaited, awaited{number, method, said})
	w.mu.Unlock()
	<-said
}

type awaited struct {
	number, method string
	said           chan struct{}
}

func (w *Wiretap) tell(number string, m *Message) {
	w.awaited = slices.DeleteFunc(w.awaited, func(a awaited) bool {
		if m.Code > 0 || a.number != number || a.method != m.Method {
			return false
		}
		close(a.said)
		return true
	})
}

// Dialogs are those with a number, in the order of their INVITEs.
func (w *Wiretap) Dialogs(number string) (found []*Dialog) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.order {
		if d.Number == number {
			found = append(found, d)
		}
	}
	return found
}

// Heard is what was heard on a number's newest leg; nil if it never had any.
func (w *Wiretap) Heard(number string) *Sounds {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.sounds) - 1; i >= 0; i-- {
		if w.sounds[i].Number == number {
			return w.sounds[i]
		}
	}
	return nil
}
