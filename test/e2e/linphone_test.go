package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
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

// startLinphone starts one; encryption is none or srtp.
func startLinphone(t *testing.T, hz float64, encryption string) *linphone {
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
`, l.port, encryption, rtp), 0o600); err != nil {
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

// TestLinphone: a linphone that talks SRTP is the prospect of a baresip that does not.
func TestLinphone(t *testing.T) {
	t.Parallel()
	rep := startBaresip(t, repHz, "<sip:"+repNumber+"@127.0.0.1>;regint=0;answermode=auto;audio_codecs=pcmu")
	prospect := startLinphone(t, prospectHz, "srtp")
	s := newServer(t, sippTrunk("reps", rep.port)+sippTrunk("outside", prospect.port, ", srtp: required")+legRoutes)
	s.start()
	id := s.place(repNumber, prospectNumber)
	s.reaches(id, "awaiting_confirmation")
	until(t, "the rep hears the prompt", func() bool { return len(rep.heard().Samples) > 8000 })
	rep.press('1')
	s.reaches(id, "in_progress")
	until(t, "the rep hears the prospect", func() bool { return rep.heard().Tone(prospectHz) > 2*time.Second })
	time.Sleep(2 * time.Second)
	prospect.does("terminate")
	s.ends(id, "completed", "completed", "prospect")
	rep.says("terminated")
	var heard time.Duration
	for range 200 { // the file is written when the call is over
		r, rate := readWAV(t, prospect.file("heard.wav"))
		if heard = r.Tone(repHz * 8000 / float64(rate)); heard > time.Second {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("the prospect heard the rep for %v", heard)
}
