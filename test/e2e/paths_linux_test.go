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

// TestPathsLookTheSame: a call by the kernel path, and one by the user path. The
// far ends, the API and the metrics see no difference but the path's name.
// Where the kernel path cannot be had, a server that must have it does not start.
func TestPathsLookTheSame(t *testing.T) {
	for _, path := range []string{"kernel", "user"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			c := openCarrier(t, func(number string) carrier.Script {
				if strings.HasSuffix(number, "0120") {
					return func(call *carrier.Call) { call.Ring(); call.Answer(carrier.ProspectTone); <-call.Over() }
				}
				return carrier.Magic(number)
			})
			s := newServer(t, digestTrunk(c.Addr().Port()))
			port := freePort(t)
			s.env = append(s.env, "TANDEM_MEDIA__FAST_PATH="+path, fmt.Sprintf("TANDEM_METRICS__LISTEN=127.0.0.1:%d", port))
			if path == "kernel" && !namespace.Able(t) {
				out, err := s.command("serve", "--config", s.config).CombinedOutput()
				if err == nil || !strings.Contains(string(out), "kernel path") {
					t.Errorf("a server that cannot have the kernel path: %v\n%s", err, out)
				}
				return
			}
			s.start()
			id := s.call(repNumber, prospectNumber, "in_progress")
			s.until("both streams take their path", func() bool {
				return strings.Contains(s.metrics(port), fmt.Sprintf("tandem_media_streams{path=%q} 2", path))
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
		})
	}
}

// counter is the value of a series.
func counter(text, series string) (n float64) {
	_, after, _ := strings.Cut(text, series+" ")
	_, _ = fmt.Sscan(after, &n)
	return n
}
