package app

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"regexp"
)

// telephone is a number as it stands in a log: E.164, or such a number without
// its +, as in a SIP URI. What is shorter is a code or a port.
var telephone = regexp.MustCompile(`\+[1-9][0-9]{6,14}\b|\b[1-9][0-9]{8,14}\b`)

// ours are the attributes whose digits are no telephone number's.
var ours = map[string]bool{"call": true, "sip_call_id": true, "trace_id": true, "stream": true, "addr": true, "dur": true}

// hideNumbers is log with its telephone numbers as log.numbers says: masked to
// country and last four digits, hashed, or full. A number's hash is the same until
// the process ends: its key is in no file, so that a log alone betrays nothing.
func hideNumbers(log *slog.Logger, how string) *slog.Logger {
	switch how {
	case "full":
		return log
	case "hashed":
		key := make([]byte, 32)
		_, _ = rand.Read(key) // it cannot fail
		return slog.New(numberHider{log.Handler(), func(number string) string {
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(number))
			return "#" + hex.EncodeToString(mac.Sum(nil)[:6])
		}})
	default:
		return slog.New(numberHider{log.Handler(), masked})
	}
}

// masked is a number without its middle: +1415•••0123.
func masked(number string) string {
	return number[:max(0, min(5, len(number)-7))] + "•••" + number[len(number)-4:]
}

// numberHider is a slog.Handler that lets no number through as it is.
type numberHider struct {
	slog.Handler
	hide func(string) string
}

func (h numberHider) text(s string) string { return telephone.ReplaceAllStringFunc(s, h.hide) }

func (h numberHider) Handle(ctx context.Context, r slog.Record) error {
	hidden := slog.NewRecord(r.Time, r.Level, h.text(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		hidden.AddAttrs(h.attr(a))
		return true
	})
	return h.Handler.Handle(ctx, hidden)
}

func (h numberHider) WithAttrs(attrs []slog.Attr) slog.Handler {
	hidden := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		hidden[i] = h.attr(a)
	}
	return numberHider{h.Handler.WithAttrs(hidden), h.hide}
}

func (h numberHider) WithGroup(name string) slog.Handler {
	return numberHider{h.Handler.WithGroup(name), h.hide}
}

// attr is a with the numbers of its value hidden. A value that has none stays what
// it is.
func (h numberHider) attr(a slog.Attr) slog.Attr {
	if ours[a.Key] {
		return a
	}
	switch value := a.Value.Resolve(); value.Kind() {
	case slog.KindGroup:
		inner := make([]slog.Attr, len(value.Group()))
		for i, one := range value.Group() {
			inner[i] = h.attr(one)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(inner...)}
	case slog.KindString, slog.KindAny:
		said := value.String()
		if hidden := h.text(said); hidden != said {
			return slog.String(a.Key, hidden)
		}
	}
	return a
}
