package app

import (
	"math"
	"syscall"
)

// besideRTP is how many files a tandem has open at most beside its calls' sound:
// SIP, HTTP, the database, posts to webhooks. Where few files are allowed it gets
// along with what it opens at its start and a quarter of them.
const (
	besideRTP = 256
	atStart   = 32
)

// socketsPerCall are RTP's and RTCP's of two legs.
const socketsPerCall = 4

// Files is how many files this process may open. Go has raised what is allowed at
// first to what may be allowed, before main.
func Files() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	return int(min(uint64(limit.Cur), math.MaxInt32)), nil
}

// FilesFor is how many files a tandem opens with so many calls up.
func FilesFor(calls int) int { return calls*socketsPerCall + besideRTP }

// CallsWithin is how many calls a tandem that may open so many files takes.
func CallsWithin(files int) int { return rtpSockets(files) / socketsPerCall }

// rtpSockets is how many of them may be RTP's and RTCP's, so that a new call is
// refused, and does not take the files that the others, and the refusal, need.
func rtpSockets(files int) int { return max(files-min(besideRTP, atStart+files/4), 1) }
