package test

import (
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tandem/media"
	"tandem/media/prompts"
)

var knownOnce struct {
	sync.Mutex
	clips map[string][]byte
}

// knownSounds is what tandem plays by itself, as it sounds on the wire.
func knownSounds(t *testing.T) map[string][]byte {
	t.Helper()
	knownOnce.Lock()
	defer knownOnce.Unlock()
	if knownOnce.clips != nil {
		return knownOnce.clips
	}
	clips := map[string]media.Clip{"ringback": media.Ringback("us"), "chirp": media.Chirp(), "tick": media.Tick(),
		"wrong key": media.ErrorTone(), "limit": media.Beep(), "end tone": media.EndTone()}
	for name, file := range map[string]string{"prompt": "en/press-1", `"busy"`: "en/busy", `"no answer"`: "en/no-answer",
		`"not in service"`: "en/not-in-service", `"declined"`: "en/declined", `"unreachable"`: "en/unreachable", `"lines busy"`: "en/lines-busy",
		`"call failed"`: "en/call-failed", `"canceled"`: "en/canceled"} {
		wav, err := prompts.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		if clips[name], err = media.LoadWAV(wav); err != nil {
			t.Fatal(err)
		}
		_ = wav.Close()
	}
	sounding := make(map[string][]byte)
	synctest.Test(t, func(t *testing.T) {
		for name, clip := range clips {
			sounding[name] = onTheWire(t, clip)
		}
	})
	knownOnce.clips = sounding
	return sounding
}

// onTheWire plays a clip once, and returns what was sent.
func onTheWire(t *testing.T, clip media.Clip) (sent []byte) {
	t.Helper()
	n := NewNetwork(1)
	var mu sync.Mutex
	n.Tap = func(d Datagram) {
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, d.Data[12:]...)
	}
	us := netip.MustParseAddr("10.0.0.1")
	pool, err := media.NewPool(media.Config{Bind: us, MinPort: 20000, MaxPort: 20009,
		Listen: func(at netip.AddrPort) (media.PacketConn, error) { return n.Listen(at) }})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := pool.Open(media.Side{Address: us, Codecs: []media.Codec{media.PCMU}})
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Accept([]byte("v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	stop := stream.Play(clip)
	<-time.After(clip.Duration())
	stop()
	<-time.After(time.Second)
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	return sent
}
