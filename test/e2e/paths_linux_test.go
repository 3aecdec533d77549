package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"tandem/test/carrier"
	"tandem/test/namespace"
)

// metrics is what a server says of itself.
func (s *server) metrics(port int) string {
	s.Helper()
	res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}

// ownNetwork runs the test in a network of its own where this process can have the
// kernel path: done says that it has been. able is false where it cannot.
func ownNetwork(t *testing.T) (able, done bool) {
	t.Helper()
	if _, err := build(); err != nil { // once, for both networks
		t.Fatal(err)
	}
	able = true
	here := namespace.Alone(t, func(*testing.T) { able = false })
	return able, able && !here
}

// TestPathsLookTheSame: a call by the kernel path, one by the user path, and one
// by a server that wants the kernel path and may not have it. The far ends, the API
// and the metrics see no difference but the path's name. A server that must have
// the kernel path and cannot does not start.
func TestPathsLookTheSame(t *testing.T) {
	t.Parallel()
	able, done := ownNetwork(t)
	if done {
		return
	}
	paths := map[string]struct {
		mode, takes string
		wrap        []string
	}{
		"kernel":  {"kernel", "kernel", nil},
		"user":    {"user", "user", nil},
		"refused": {"auto", "user", []string{"setpriv", "--bounding-set=-all"}},
	}
	for name, path := range paths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := openCarrier(t, func(number string) carrier.Script {
				if strings.HasSuffix(number, "0120") {
					return func(call *carrier.Call) { call.Ring(); call.Answer(carrier.ProspectTone); <-call.Over() }
				}
				return carrier.Magic(number)
			})
			s := newServer(t, digestTrunk(c.Addr().Port()))
			s.wrap = path.wrap
			port := freePort(t)
			s.env = append(s.env, "TANDEM_MEDIA__FAST_PATH=kernel", fmt.Sprintf("TANDEM_METRICS__LISTEN=127.0.0.1:%d", port))
			if path.wrap != nil || !able {
				out, err := s.command("serve", "--config", s.config).CombinedOutput()
				if err == nil || !strings.Contains(string(out), "kernel path: this process may not load eBPF: give it CAP_BPF and CAP_NET_ADMIN") {
					t.Errorf("a server that cannot have the kernel path: %v\n%s", err, out)
				}
			}
			if path.takes == "kernel" && !able {
				return
			}
			s.env = append(s.env, "TANDEM_MEDIA__FAST_PATH="+path.mode)
			s.start()
			id := s.call(repNumber, prospectNumber, "in_progress")
			s.until("both streams take their path", func() bool {
				return strings.Contains(s.metrics(port), fmt.Sprintf("tandem_media_streams{path=%q} 2", path.takes))
			})
			rep, prospect := c.Calls()[0], c.Calls()[1]
			for who, call := range map[string]*carrier.Call{"rep": rep, "prospect": prospect} {
				tone := map[string]float64{"rep": carrier.ProspectTone, "prospect": carrier.RepTone}[who]
				s.until("the "+who+" hears the other", func() bool { return call.Heard().Tone(tone) > 5*time.Second })
			}
			s.hangup(id)
			call := s.ends(id, "completed", "completed", "api")
			for side, heard := range map[string]*carrier.Recording{"rep": rep.Heard(), "prospect": prospect.Heard()} {
				quality, _ := call["legs"].(map[string]any)[side].(map[string]any)["quality"].(map[string]any)
				if mos, _ := quality["mos"].(float64); mos < 4 || quality["loss_ratio"] != 0.0 {
					t.Errorf("%s: %v", side, quality)
				}
				tone := map[string]float64{"rep": carrier.ProspectTone, "prospect": carrier.RepTone}[side]
				if gap := hole(heard.Samples, tone); gap > noGap {
					t.Errorf("the %s heard nothing for %v", side, gap)
				}
			}
			text := s.metrics(port)
			for _, line := range []string{`tandem_media_streams{path="kernel"} 0`, `tandem_media_streams{path="user"} 0`} {
				if !strings.Contains(text, line) {
					t.Errorf("no %s after the call", line)
				}
			}
			for _, leg := range []string{"rep", "prospect"} {
				if n := counter(text, fmt.Sprintf(`tandem_rtp_packets_total{direction="in",leg=%q}`, leg)); n < 250 {
					t.Errorf("%v packets of the %s are counted", n, leg)
				}
			}
			said, fell := strings.Count(s.log.String(), "sound takes the user path"), counter(text, `tandem_media_path_fallbacks_total{reason="capability"}`)
			want := 0
			if path.wrap != nil {
				want = 1
			}
			if said != want || fell != float64(want) {
				t.Errorf("why there is no kernel path is said %d times and counted %v times", said, fell)
			}
		})
	}
}

// counter is the value of a series.
func counter(text, series string) (n float64) {
	_, after, _ := strings.Cut(text, series+" ")
	_, _ = fmt.Sscan(after, &n)
	return n
}
