package sip

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// What Error.Err is when no final response said why.
var (
	// ErrUnreachable: the INVITE could not be sent, or its connection broke.
	ErrUnreachable = errors.New("trunk unreachable")
	// ErrNoResponse: not even a 100 came (Timeouts.Trying, RFC 3261 Timer B).
	ErrNoResponse = errors.New("trunk does not respond")
	// ErrNoProgress: a 100 came, but nothing rang (Timeouts.Progress).
	ErrNoProgress = errors.New("no progress")
	// ErrNoAnswer: it rang, or might have, for too long (Timeouts.Ring, Absolute).
	ErrNoAnswer = errors.New("no answer")
)

// ErrSessionExpired: the peer no longer knows the dialog, or did not refresh it
// in time (RFC 4028 §10). It is an Ended's Err.
var ErrSessionExpired = errors.New("session expired")

// ErrUnresolved: a trunk's name has no address, or no DNS server says which.
var ErrUnresolved = errors.New("name not resolved")

// What the calls of an Endpoint can fail with beside *Error.
var (
	// ErrClosed: the Endpoint is closed or closing.
	ErrClosed = errors.New("endpoint closed")
	// ErrNoTrunk: no trunk has that name.
	ErrNoTrunk = errors.New("no such trunk")
	// ErrNoChannel: a trunk's channels are all taken.
	ErrNoChannel = errors.New("no free channel")
)

// Error says why an INVITE, or another request, was not answered with a 2xx.
type Error struct {
	Method     string        // of the request; "" = INVITE
	Code       int           // final response, 300–699; 0 when none came
	Text       string        // its reason phrase, as sent
	Reason     Reason        // its Reason header, Q.850 before SIP; zero when there was none
	RetryAfter time.Duration // its Retry-After; 0 when there was none
	Rang       bool          // an 18x came before
	Err        error         // one of the Err… sentinels, perhaps wrapped; nil when Code tells it all
}

func (e *Error) Error() string {
	what := strings.ToLower(cmp.Or(e.Method, "invite"))
	switch {
	case e.Code != 0 && e.Err != nil:
		return fmt.Sprintf("%s: %d %s: %v", what, e.Code, e.Text, e.Err)
	case e.Code != 0:
		return fmt.Sprintf("%s: %d %s", what, e.Code, e.Text)
	default:
		return fmt.Sprintf("%s: %v", what, e.Err)
	}
}

func (e *Error) Unwrap() error { return e.Err }

// Elsewhere reports whether another way to the number may be tried: the trunk
// has failed, nothing rang, and it is not the answer of the one who was called.
func (e *Error) Elsewhere() bool {
	switch {
	case e.Rang:
		return false
	case e.Code == 0:
		return errors.Is(e.Err, ErrUnreachable) || errors.Is(e.Err, ErrNoResponse) || errors.Is(e.Err, ErrNoProgress)
	}
	cause, known := e.Reason.Q850()
	return (e.Code == sipmsg.StatusRequestTimeout || e.Code/100 == 5) && !(known && ofCallee(cause))
}

// ofOffer reports whether it is the session description that was refused (RFC 3261
// §21.4.13, §21.4.26, §21.6.4).
func (e *Error) ofOffer() bool {
	switch e.Code {
	case sipmsg.StatusUnsupportedMediaType, sipmsg.StatusNotAcceptableHere, sipmsg.StatusGlobalNotAcceptable:
		return true
	}
	return false
}

// ofCallee reports whether a cause speaks of the number or the one who has it,
// and not of the network: the normal class of ITU-T Q.850 §2.2.7 but for what is
// missing on the way (2, 3, 25) or says nothing (31), and 88, incompatible.
func ofCallee(cause int) bool {
	switch cause {
	case 2, 3, 25, 31:
		return false
	case 88:
		return true
	}
	return cause < 32
}

// refusal turns a final response of 300 and above into an Error.
func refusal(res *sipmsg.Response) *Error {
	return &Error{
		Code:       res.StatusCode,
		Text:       res.Reason,
		Reason:     reasonOf(res),
		RetryAfter: retryAfter(res),
	}
}

// retryAfter reads the delta-seconds of Retry-After (RFC 3261 §20.33), which
// a comment or parameters may follow. Nobody is sent away for longer than a day.
func retryAfter(res *sipmsg.Response) time.Duration {
	value := header(res, "retry-after")
	digits := 0
	for digits < len(value) && value[digits] >= '0' && value[digits] <= '9' {
		digits++
	}
	seconds, err := strconv.Atoi(value[:digits])
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds), 24*60*60) * time.Second
}

// By says who ended a dialog.
type By int

// The two ends of a dialog.
const (
	Peer By = iota + 1
	Us
)

func (b By) String() string {
	switch b {
	case Peer:
		return "peer"
	case Us:
		return "us"
	default:
		return "nobody"
	}
}

// Ended is the Cause of a Leg's context once its dialog is over.
type Ended struct {
	At     time.Time
	By     By
	Code   int    // the response that ended it (408, 481), 0 for a BYE
	Reason Reason // of the BYE, whichever side sent it
	Err    error  // why, when it was neither a BYE of theirs nor a Hangup of ours
}

func (e *Ended) Error() string {
	text := "ended by " + e.By.String()
	if e.Code != 0 {
		text += ", " + strconv.Itoa(e.Code)
	}
	if e.Reason != (Reason{}) {
		text += ", " + e.Reason.String()
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Ended) Unwrap() error { return e.Err }
