package bridge

import "time"

// Request is what a caller of Start asks for, as they wrote it: numbers are
// parsed once, by Start.
type Request struct {
	ID          string // call_…; "" = Start makes one. A retry after a crash brings the first one's.
	Key         string // id of the API key
	RepNumber   string // E.164, or national in the default region
	To          string // likewise; an extension or post-dial digits may follow
	CallerID    string // "" = the trunk's first
	ContactName string
	MaxDuration time.Duration // 0 = the configured limit
	Metadata    map[string]string
}
