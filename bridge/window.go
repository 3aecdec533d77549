package bridge

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
	_ "time/tzdata" // the zones, on machines that have none

	"github.com/nyaruka/phonenumbers"
)

// Window is the part of a day in which prospects may be called, by their own
// clock. The zero Window is the whole day.
type Window struct {
	From, To time.Duration // since midnight; To may be 24 h
}

var windowForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])$`)

// ParseWindow reads 08:00-21:00; "" = the whole day.
func ParseWindow(text string) (w Window, err error) {
	if text == "" {
		return w, nil
	}
	parts := windowForm.FindStringSubmatch(text)
	if parts == nil {
		return w, fmt.Errorf("%q is not a part of a day such as 08:00-21:00", text)
	}
	var n [4]time.Duration
	for i := range n {
		v, _ := strconv.Atoi(parts[i+1]) // two digits, by its form
		n[i] = time.Duration(v)
	}
	w = Window{n[0]*time.Hour + n[1]*time.Minute, n[2]*time.Hour + n[3]*time.Minute}
	if w.From >= w.To || w.To > 24*time.Hour {
		return Window{}, fmt.Errorf("%q ends before it begins, or after midnight", text)
	}
	return w, nil
}

// opens is when a call may be made in zone: now, or the next time the window
// opens there.
func (w Window) opens(now time.Time, zone *time.Location) time.Time {
	local := now.In(zone)
	at := func(day int, since time.Duration) time.Time { // by the clock, also where it changes
		return time.Date(local.Year(), local.Month(), local.Day()+day, int(since/time.Hour), int(since%time.Hour/time.Minute), 0, 0, zone)
	}
	switch {
	case local.Before(at(0, w.From)):
		return at(0, w.From)
	case local.Before(at(0, w.To)):
		return now
	}
	return at(1, w.From)
}

// zonesOf are the time zones that a number may be in, none if that is not known.
func zonesOf(e164 string) (zones []*time.Location) {
	n, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return nil
	}
	names, err := phonenumbers.GetTimezonesForNumber(n)
	if err != nil {
		return nil
	}
	for _, name := range names {
		if zone, err := time.LoadLocation(name); err == nil && name != phonenumbers.UNKNOWN_TIMEZONE {
			zones = append(zones, zone)
		}
	}
	return zones
}

// open refuses a prospect for whom it is too early or too late, in any of the
// zones that the number may be in.
func (w Window) open(asked *Asked, now time.Time) *Refusal {
	if w == (Window{}) {
		return nil
	}
	zones := zonesOf(asked.To)
	if asked.TimeZone != "" {
		zone, err := time.LoadLocation(asked.TimeZone)
		if err != nil {
			return &Refusal{Code: CodeValidation, Field: "to_timezone", Detail: fmt.Sprintf("%q is no time zone such as America/Denver.", asked.TimeZone)}
		}
		zones = []*time.Location{zone}
	}
	if len(zones) == 0 {
		return &Refusal{Code: CodeOutsideWindow, Field: "to", Detail: "The number does not say which time zone it is in. Say it with to_timezone."}
	}
	next := w.next(now, zones)
	if next.Equal(now) {
		return nil
	}
	return &Refusal{Code: CodeOutsideWindow, Field: "to", RetryAfter: next.Sub(now), NextAllowed: next,
		Detail: fmt.Sprintf("In %s it is %s. Prospects may be called again at %s.", zones[0], now.In(zones[0]).Format("15:04"), next.UTC().Format(time.RFC3339))}
}

// next is the first time, from now on, at which the window is open in every
// zone; where there is none within two days, when it opens in the first.
func (w Window) next(now time.Time, zones []*time.Location) time.Time {
	for at := now; at.Sub(now) < 48*time.Hour; {
		latest := at
		for _, zone := range zones {
			if opens := w.opens(at, zone); opens.After(latest) {
				latest = opens
			}
		}
		if latest.Equal(at) {
			return at
		}
		at = latest
	}
	return w.opens(now, zones[0])
}
