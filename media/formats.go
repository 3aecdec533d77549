package media

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// Format is one payload type of a session description's audio.
type Format struct {
	PT   uint8
	Name string // lower case, as in its rtpmap: "pcmu", "telephone-event", "red"
	Rate int    // Hz, of its RTP timestamps
}

// Formats reads what the first audio of a session description may carry. Static
// payload types without an rtpmap are named by RFC 3551.
func Formats(description []byte) ([]Format, error) {
	if len(description) > maxSDP {
		return nil, fmt.Errorf("session description: %d octets are too many", len(description))
	}
	var s sdp.SessionDescription
	if err := s.Unmarshal(description); err != nil {
		return nil, fmt.Errorf("session description: %w", err)
	}
	for _, m := range s.MediaDescriptions {
		if m.MediaName.Media != "audio" || m.MediaName.Port.Value == 0 {
			continue
		}
		names := rtpmaps(m.Attributes)
		names[uint8(PCMU)], names[uint8(PCMA)] = "PCMU/8000", "PCMA/8000"
		var all []Format
		for _, format := range m.MediaName.Formats {
			pt, ok := numberOf(format)
			if !ok {
				continue
			}
			name, clock, _ := strings.Cut(names[pt], "/")
			if rate, err := strconv.ParseUint(clock, 10, 31); err == nil && rate > 0 {
				all = append(all, Format{PT: pt, Name: strings.ToLower(name), Rate: int(rate)})
			}
		}
		return all, nil
	}
	return nil, errors.New("session description: no audio in it")
}
