package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/dtmf"
)

// TestEveryMagicNumber is the whole of tandem over real sockets: the demo's
// scenarios, ten times as fast as life.
func TestEveryMagicNumber(t *testing.T) {
	var out, errs bytes.Buffer
	if code := dispatch([]string{"demo", "--scenario", "all", "--speed", "10x"}, nil, &out, &errs); code != 0 {
		t.Errorf("exit %d\n%s\n%s", code, out.String(), errs.String())
	}
}

// TestDemoOnce ends well only if each far end recorded the other.
func TestDemoOnce(t *testing.T) {
	dir := t.TempDir()
	var out, errs bytes.Buffer
	if code := dispatch([]string{"demo", "--once", "--speed", "5x", "--out", dir}, nil, &out, &errs); code != 0 {
		t.Errorf("exit %d\n%s\n%s", code, out.String(), errs.String())
	}
	t.Log(out.String())
	for _, want := range []string{"API key   tdm_test_", "(signed in as Ana, toggle on)\n", `"to":"+12025550100"}'`, "call.rep_ringing       Ana's phone rings\n", "1 by RFC 4733", " s, $0.0260 (two legs)\n",
		"Heard by the rep: " + dir + "/rep.wav   by the prospect: " + dir + "/prospect.wav   packets: " + dir + "/call.pcap\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q", want)
		}
	}
	for _, name := range []string{"rep.wav", "prospect.wav"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() < 50000 {
			t.Errorf("%s: %v", name, err)
		}
	}
	out.Reset()
	packets := filepath.Join(dir, "call.pcap")
	if code := dispatch([]string{"dtmf", "scan", packets}, nil, &out, &errs); code != 0 || strings.Count(out.String(), "\n") != 1 || !strings.HasSuffix(out.String(), "\t1\trfc4733\n") {
		t.Errorf("exit %d, the 1 in the capture: %q %s", code, out.String(), errs.String())
	}
}

// TestDTMFScan: a recording and a capture, with the description that the receiver
// answered with, as lines and as JSON.
func TestDTMFScan(t *testing.T) {
	dir := t.TempDir()
	sound := dtmf.AppendTone(make([]int16, 4000), '1', 100*time.Millisecond, -10)
	wav := append([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data"), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(wav[40:], uint32(2*len(sound)))
	for _, x := range sound {
		wav = binary.LittleEndian.AppendUint16(wav, uint16(x))
	}
	recording, description := filepath.Join(dir, "key.wav"), filepath.Join(dir, "answer.sdp")
	for name, text := range map[string][]byte{recording: wav, description: []byte("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n")} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	if code := dispatch([]string{"dtmf", "scan", recording}, nil, &out, &errs); code != 0 || !strings.HasPrefix(out.String(), recording+"\t50") || !strings.HasSuffix(out.String(), "\t1\tinband\n") {
		t.Errorf("exit %d: %q %s", code, out.String(), errs.String())
	}
	out.Reset()
	code := dispatch([]string{"dtmf", "scan", recording, "--sdp", description, "--json"}, nil, &out, &errs)
	var found []struct{ File, Digit, Method string }
	if err := json.Unmarshal(out.Bytes(), &found); code != 0 || err != nil || len(found) != 1 || found[0].Digit != "1" || found[0].Method != "inband" || found[0].File != recording {
		t.Errorf("exit %d: %+v, %v %s", code, found, err, errs.String())
	}
	for _, args := range [][]string{{"dtmf", "scan"}, {"dtmf", "scan", "--what", recording}, {"dtmf", "scan", filepath.Join(dir, "none.wav")}, {"dtmf", "scan", recording, "--sdp", recording}} {
		if code := dispatch(args, nil, &out, &errs); code == 0 {
			t.Errorf("%v: exit 0", args)
		}
	}
}

// TestDemoAsJSON: a program reads the same, an object a line.
func TestDemoAsJSON(t *testing.T) {
	var out, errs bytes.Buffer
	if code := dispatch([]string{"demo", "--once", "--json", "--speed", "10x", "--out", t.TempDir()}, nil, &out, &errs); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out.String(), errs.String())
	}
	var types []string
	for line := range strings.Lines(out.String()) {
		var said struct{ Type string }
		if err := json.Unmarshal([]byte(line), &said); err != nil || said.Type == "" {
			t.Errorf("%q: %v", line, err)
		}
		types = append(types, said.Type)
	}
	for i, want := range []string{"demo.ready", "call.queued"} {
		if types[i] != want {
			t.Errorf("line %d is %s", i+1, types[i])
		}
	}
	if tail := types[len(types)-2:]; !slices.Equal(tail, []string{"call.ended", "demo.heard"}) {
		t.Errorf("it ends with %v", tail)
	}
}

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tandem.yaml")
	t.Setenv("TRUNK_PASSWORD", "x")
	t.Setenv("TANDEM_STORE__URL", "sqlite://"+filepath.Join(dir, "t.db"))
	run := func(want int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := dispatch(args, nil, &out, &errs); code != want {
			t.Errorf("%v: exit %d\n%s%s", args, code, out.String(), errs.String())
		}
		return out.String() + errs.String()
	}
	if err := os.WriteFile(file, []byte(run(0, "config", "init")), 0o600); err != nil {
		t.Fatal(err)
	}
	run(0, "check-config", "--config", file)
	run(0, "config", "print", "--config", file)
	var settings map[string]struct {
		Value  any
		Source string
	}
	text := run(0, "config", "print", "--json", "--config", file)
	if err := json.Unmarshal([]byte(text), &settings); err != nil || strings.Contains(text, `"x"`) {
		t.Errorf("%v\n%s", err, text)
	}
	for path, want := range map[string]any{"trunks.carrier.auth.password": "***", "trunks.carrier.caller_ids": []any{"+14155550100"}, "routing": []any{},
		"store.url": "sqlite://" + filepath.Join(dir, "t.db"), "media.rtp_ports": "20000-20999", "trunks.carrier.limits.channels": 10.0} {
		if got := settings[path]; !reflect.DeepEqual(got.Value, want) || got.Source == "" {
			t.Errorf("%s is %v by %q", path, got.Value, got.Source)
		}
	}
	run(0, "check-config", "--json", "--config", file)
	for word := range commands {
		run(0, word, "--help")
	}
	run(2, "check-config", file)
	run(0, "version", "--json")
	run(0, "help")
	run(2)
	run(2, "config")
	run(2, "keys")
	run(2, "call")
	run(2, "serve", "nonsense")
	run(2, "demo", "--speed", "fast")
	if text := run(2, "serv"); !strings.Contains(text, `"serv"`) {
		t.Error(text)
	}
	if text := run(1, "check-config", "--config", filepath.Join(dir, "none.yaml")); !strings.Contains(text, "config init") {
		t.Error(text)
	}
	var made struct{ ID, Key string }
	if err := json.Unmarshal([]byte(run(0, "keys", "create", "--config", file, "--name", "crm", "--json")), &made); err != nil || !strings.HasPrefix(made.Key, "tdm_live_"+made.ID) {
		t.Errorf("%+v %v", made, err)
	}
	if text := run(0, "keys", "list", "--config", file); !strings.Contains(text, "crm") || strings.Contains(text, made.Key) {
		t.Error(text)
	}
	run(0, "keys", "revoke", "--config", file, made.ID)
	run(0, "keys", "create", "--config", file, "--name", "short", "--expires", "90d")
	run(2, "call", "show")
	run(2, "call", "list", "all")
	run(1, "healthcheck", "--url", "http://127.0.0.1:1")
	run(2, "completion")
	testPromptWords(t, run)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if text := run(0, "completion", shell); !strings.Contains(text, "create list rotate revoke") {
			t.Error(text)
		}
	}
	run(1, "keys", "revoke", "--config", file, made.ID)
	if err := json.Unmarshal([]byte(run(0, "keys", "create", "--config", file, "--name", "ci", "--test", "--json")), &made); err != nil || !strings.HasPrefix(made.Key, "tdm_test_"+made.ID) {
		t.Errorf("%+v %v", made, err)
	}
	if text := run(0, "keys", "rotate", "--config", file, made.ID); !strings.Contains(text, "tdm_test_") || strings.Contains(text, made.Key) {
		t.Error(text)
	}
	run(1, "keys", "rotate", "--config", file, "none")
	run(1, "call", "+14155550123", "--rep", "+14155550199", "--url", "http://127.0.0.1:1")
}

// testPromptWords converts a recording that a call cannot play into one that it can.
func testPromptWords(t *testing.T, run func(want int, args ...string) string) {
	t.Helper()
	stereo := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x02\x00\x80\xbb\x00\x00\x00\xee\x02\x00\x04\x00\x10\x00data\x00\xee\x02\x00")
	for n := range 48000 {
		x := uint16(int16(10000 * math.Sin(float64(n)*2*math.Pi*500/48000)))
		stereo = append(stereo, byte(x), byte(x>>8), byte(x), byte(x>>8))
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.wav"), filepath.Join(dir, "out.wav")
	if err := os.WriteFile(in, stereo, 0o600); err != nil {
		t.Fatal(err)
	}
	if text := run(1, "prompts", "check", in); !strings.Contains(text, "tandem prompts convert") {
		t.Error(text)
	}
	run(0, "prompts", "convert", in, out)
	if text := run(0, "prompts", "check", out, "--json"); !strings.Contains(text, `"seconds":1,"level_dbm0":-6.9`) {
		t.Error(text)
	}
	if text := run(0, "prompts", "list"); !strings.Contains(text, "builtin:en/press-1 ") || strings.Count(text, "\n") != 21 {
		t.Error(text)
	}
	run(1, "prompts", "convert", out+"x", in)
	run(2, "prompts")
	run(2, "prompts", "convert", in)
}
