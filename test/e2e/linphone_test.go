package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/test/carrier"
)

// linphone is a telephone that picks up by itself, plays a tone from a file, and
// writes what it hears to another.
type linphone struct {
	*testing.T
	port   int
	dir    string
	keys   io.Writer
	output logBuffer
}

// startLinphone starts one; encryption is none or srtp, codecs what it takes, as
// "PCMU/8000", none for all.
func startLinphone(t *testing.T, hz float64, encryption string, codecs ...string) *linphone {
	t.Helper()
	l := &linphone{T: t, port: freePort(t), dir: t.TempDir()}
	config := filepath.Join(l.dir, "linphonerc")
	if err := os.MkdirAll(l.file(".local/share/linphone"), 0o700); err != nil {
		t.Fatal(err)
	}
	rtp := 8000 + 40*int(phones.Add(1))
	if err := os.WriteFile(config, fmt.Appendf(nil, `[sip]
sip_port=%d
sip_tcp_port=0
sip_tls_port=0
media_encryption=%s
[rtp]
audio_rtp_port=%d
%s`, l.port, encryption, rtp, audioCodecs(codecs)), 0o600); err != nil {
		t.Fatal(err)
	}
	process := exec.Command("linphonec", "-a", "-c", config)
	process.Env = append(os.Environ(), "HOME="+l.dir)
	process.Stdout, process.Stderr = &l.output, &l.output
	keys, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	l.keys = keys
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
		if t.Failed() {
			t.Logf("linphone:\n%s", l.output.String())
		}
	})
	until(t, "linphone listens", func() bool { return udpBound(t, l.port) })
	l.does("soundcard use files")
	l.does("record " + l.file("heard.wav"))
	l.tone(hz)
	l.does("play " + l.file("said.wav"))
	return l
}

// audioCodecs is the part of its configuration that names them.
func audioCodecs(names []string) string {
	var b strings.Builder
	for i, name := range names {
		mime, rate, _ := strings.Cut(name, "/")
		channels := 1
		if mime == "opus" {
			channels = 2
		}
		fmt.Fprintf(&b, "[audio_codec_%d]\nmime=%s\nrate=%s\nchannels=%d\nenabled=1\n", i, mime, rate, channels)
	}
	return b.String()
}

func (l *linphone) file(name string) string { return filepath.Join(l.dir, name) }

// does types a command.
func (l *linphone) does(command string) {
	l.Helper()
	if _, err := fmt.Fprintln(l.keys, command); err != nil {
		l.Fatal(err)
	}
}

// tone writes the file that is played: a minute of hz.
func (l *linphone) tone(hz float64) {
	l.Helper()
	r := carrier.Recording{Samples: make([]int16, 60*8000)}
	for i := range r.Samples {
		r.Samples[i] = int16(5000 * math.Sin(2*math.Pi*hz*float64(i)/8000))
	}
	var wav bytes.Buffer
	if err := r.WriteWAV(&wav); err != nil {
		l.Fatal(err)
	}
	if err := os.WriteFile(l.file("said.wav"), wav.Bytes(), 0o600); err != nil {
		l.Fatal(err)
	}
}

// hears waits until the file of what it heard, which is written when the call is over,
// has more than a second of hz.
func (l *linphone) hears(hz float64) {
	l.Helper()
	until(l.T, fmt.Sprintf("linphone has heard %.0f Hz", hz), func() bool {
		r, every := readWAV(l.T, l.file("heard.wav"))
		return r.Tone(hz/float64(every)) > time.Second
	})
}

// TestLinphone: linphone as the rep, who presses 1, and as the prospect, with SRTP
// (RFC 4568) and without, with baresip and with another of its kind. Each hears the
// other.
func TestLinphone(t *testing.T) {
	for name, tt := range map[string]struct {
		rep, prospect  string // linphone's encryption; "" = a baresip without SRTP
		toRep, toOther string // srtp of the trunks
	}{
		"prospect with SRTP": {"", "srtp", "none", "required"},
		"rep without":        {"none", "", "none", "none"},
		"rep with SRTP":      {"srtp", "", "required", "none"},
		"both with SRTP":     {"srtp", "srtp", "required", "required"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Linphone's file is looked at when the call is over, baresip's any time.
			phone := func(number string, hz int, encryption string) (port int, press func(), hears func(hz int), hangUp func()) {
				if encryption == "" {
					b := startBaresip(t, hz, "<sip:"+number+"@127.0.0.1>;regint=0;answermode=auto;audio_codecs=pcmu")
					return b.port, func() { b.press('1') }, func(hz int) {
						until(t, "baresip hears the other", func() bool { return b.heard().Tone(float64(hz)) > time.Second })
					}, func() { b.press(hangUpKey) }
				}
				l := startLinphone(t, float64(hz), encryption)
				return l.port, func() { l.does("1") }, func(hz int) { l.hears(float64(hz)) }, func() { l.does("terminate") }
			}
			repPort, press, repHears, _ := phone(repNumber, repHz, tt.rep)
			prospectPort, _, prospectHears, hangUp := phone(prospectNumber, prospectHz, tt.prospect)
			s := newServer(t, sippTrunk("reps", repPort, ", srtp: ", tt.toRep)+sippTrunk("outside", prospectPort, ", srtp: ", tt.toOther)+legRoutes)
			s.start()
			id := s.call(repNumber, prospectNumber, "awaiting_confirmation")
			press()
			s.reaches(id, "in_progress")
			time.Sleep(4 * time.Second) // of talk
			hangUp()
			call := s.ends(id, "completed", "completed", "prospect")
			if !has(call["flags"], "confirmed_rfc4733") {
				t.Errorf("flags %v", call["flags"])
			}
			repHears(prospectHz)
			prospectHears(repHz)
		})
	}
}
