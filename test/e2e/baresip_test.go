package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/test/carrier"
)

// baresip is a telephone: it rings, picks up by itself, sounds a tone, presses
// keys, and writes what it hears to a file.
type baresip struct {
	*testing.T
	dir     string
	port    int
	process *exec.Cmd
	keys    io.WriteCloser
	output  logBuffer
}

// startBaresip starts one that sounds a tone, and whose address is account: the URI
// in angle brackets and its parameters.
func startBaresip(t *testing.T, hz int, account string) *baresip {
	t.Helper()
	return startSounding(t, fmt.Sprintf("ausine,%d", hz), account)
}

// startSounding starts one whose microphone is a baresip module and its device.
func startSounding(t *testing.T, source, account string) *baresip {
	t.Helper()
	b := &baresip{T: t, dir: t.TempDir(), port: freePort(t)}
	rtp := 8000 + 40*int(phones.Add(1))
	config := fmt.Sprintf(`sip_listen 127.0.0.1:%d
net_interface 127.0.0.1
audio_source %s
audio_player aubridge,sink
ausrc_srate 48000
ausrc_channels 2
rtp_ports %d-%d
jitter_buffer_delay 2-10
module_path /usr/lib/baresip/modules
module stdio.so
module g711.so
module g722.so
module opus.so
module srtp.so
module ausine.so
module aufile.so
module aubridge.so
module sndfile.so
module_tmp account.so
module_app menu.so
snd_path %s
`, b.port, source, rtp, rtp+39, b.dir)
	for name, text := range map[string]string{"config": config, "accounts": account + "\n", "contacts": ""} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.process = exec.Command("baresip", "-f", b.dir, "-s")
	b.process.Stdout, b.process.Stderr = &b.output, &b.output
	keys, err := b.process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.keys = keys
	if err := b.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = b.process.Process.Kill()
		_ = b.process.Wait()
		if t.Failed() {
			t.Logf("baresip %s:\n%s", account, b.output.String())
		}
	})
	b.says("baresip is ready")
	return b
}

func (b *baresip) says(text string) {
	b.Helper()
	until(b.T, "baresip says "+text, func() bool { return strings.Contains(b.output.String(), text) })
}

// press presses a key of the telephone.
func (b *baresip) press(key byte) {
	b.Helper()
	if _, err := b.keys.Write([]byte{key}); err != nil {
		b.Fatal(err)
	}
}

// heard is what the telephone played of its newest call, as it is on file by now.
func (b *baresip) heard() *carrier.Recording {
	b.Helper()
	files, err := filepath.Glob(filepath.Join(b.dir, "dump-*-dec.wav"))
	if err != nil {
		b.Fatal(err)
	}
	if len(files) == 0 {
		return &carrier.Recording{}
	}
	r, every := readWAV(b.T, files[len(files)-1])
	thin := &carrier.Recording{}
	for i := 0; i < len(r.Samples); i += every { // of a tone, nothing is lost
		thin.Samples = append(thin.Samples, r.Samples[i])
	}
	return thin
}

// readWAV reads a file of 16 bits, which may be still written to. Every so many
// samples there is one of 8 kHz and the first channel.
func readWAV(t *testing.T, path string) (r *carrier.Recording, every int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r = &carrier.Recording{}
	head, pcm, ok := bytes.Cut(data, []byte("data"))
	if !ok || len(head) < 28 {
		return r, 1
	}
	for i := 4; i+1 < len(pcm); i += 2 {
		r.Samples = append(r.Samples, int16(binary.LittleEndian.Uint16(pcm[i:])))
	}
	rate, channels := binary.LittleEndian.Uint32(head[24:]), binary.LittleEndian.Uint16(head[22:])
	return r, int(rate) / 8000 * int(channels)
}

// TestBaresip: two telephones, one of which presses 1; each hears the other without
// a gap, with µ-law on one leg and A-law on the other. Then one hangs up.
func TestBaresip(t *testing.T) {
	for _, hangsUp := range []string{"rep", "prospect"} {
		t.Run(hangsUp+" hangs up", func(t *testing.T) {
			t.Parallel()
			rep := startBaresip(t, repHz, "<sip:"+repNumber+"@127.0.0.1>;regint=0;answermode=auto;audio_codecs=pcmu")
			prospect := startBaresip(t, prospectHz, "<sip:"+prospectNumber+"@127.0.0.1>;regint=0;answermode=auto;audio_codecs=pcma")
			s := newServer(t, sippTrunk("reps", rep.port)+sippTrunk("outside", prospect.port)+legRoutes)
			s.start()
			id := s.place(repNumber, prospectNumber)
			talk(t, s, id, rep, prospect)
			map[string]*baresip{"rep": rep, "prospect": prospect}[hangsUp].press(hangUpKey)
			call := s.ends(id, "completed", "completed", hangsUp)
			rep.says("terminated")
			prospect.says("terminated")
			if !has(call["flags"], "confirmed_rfc4733") {
				t.Errorf("flags %v", call["flags"])
			}
		})
	}
}

// TestBaresipSRTP: the rep's telephone insists on SRTP, the prospect's knows none.
// A trunk that wants it and meets a telephone without has no call.
func TestBaresipSRTP(t *testing.T) {
	t.Parallel()
	rep := startBaresip(t, repHz, "<sip:"+repNumber+"@127.0.0.1>;regint=0;answermode=auto;audio_codecs=pcmu;mediaenc=srtp-mand")
	prospect := startBaresip(t, prospectHz, "<sip:"+prospectNumber+"@127.0.0.1>;regint=0;answermode=auto;audio_codecs=pcma")
	s := newServer(t, sippTrunk("reps", rep.port, ", srtp: required")+sippTrunk("outside", prospect.port)+legRoutes)
	s.start()
	id := s.place(repNumber, prospectNumber)
	talk(t, s, id, rep, prospect)
	prospect.press(hangUpKey)
	s.ends(id, "completed", "completed", "prospect")
	rep.says("terminated")
	s.stop()

	plain := startBaresip(t, repHz, "<sip:"+repNumber+"@127.0.0.1>;regint=0;answermode=auto")
	s = newServer(t, sippTrunk("reps", plain.port, ", srtp: required")+sippTrunk("outside", prospect.port)+legRoutes)
	s.start()
	call := s.ends(s.place(repNumber, prospectNumber), "failed", "media_failed_rep", "carrier")
	hangup := call["legs"].(map[string]any)["rep"].(map[string]any)["hangup"].(map[string]any)
	if hangup["sip_code"] != 488.0 { // the telephone's own word
		t.Errorf("the rep's leg: %v", hangup)
	}
}

const (
	hangUpKey  = 'b'
	repHz      = 520
	prospectHz = 1050
)

// talk has the rep's telephone press 1 in a call, and both talk for three seconds.
func talk(t *testing.T, s *server, id string, rep, prospect *baresip) {
	t.Helper()
	s.reaches(id, "awaiting_confirmation")
	until(t, "the rep hears the prompt", func() bool { return len(rep.heard().Samples) > 8000 })
	rep.press('1')
	s.reaches(id, "in_progress")
	machine := feelPulse()
	until(t, "the rep hears the prospect", func() bool { return rep.heard().Tone(prospectHz) > 3*time.Second })
	until(t, "the prospect hears the rep", func() bool { return prospect.heard().Tone(repHz) > 3*time.Second })
	late := machine.worst()
	for who, gap := range map[string]time.Duration{
		"rep": hole(rep.heard().Samples, prospectHz), "prospect": hole(prospect.heard().Samples, repHz),
	} {
		// Telephones send and play by the machine's clock: where that stumbles
		// it is not the relay's gap.
		if gap > noGap+late {
			t.Errorf("the %s heard nothing for %v (this machine was late by %v)", who, gap, late)
		}
	}
}
