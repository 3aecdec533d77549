package bridge

import (
	"regexp"
	"testing"
)

func TestNewIDSortsByTimeAndFitsTheSchema(t *testing.T) {
	shape := regexp.MustCompile(`^call_[0-9a-hjkmnp-tv-z]{26}$`)
	last := ""
	for range 1000 {
		id := NewID("call")
		if !shape.MatchString(id) {
			t.Fatalf("id %q does not match %v", id, shape)
		}
		if id <= last {
			t.Fatalf("id %q came after %q but sorts before it", id, last)
		}
		last = id
	}
}
