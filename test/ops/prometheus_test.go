package ops

import (
	"encoding/json"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRules has promtool read the rules and run their tests.
func TestRules(t *testing.T) {
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"}, {"check", "rules", "rules.yml"}, {"test", "rules", "rules_test.yml"},
	} {
		tool := exec.Command("promtool", args...)
		tool.Dir = "../../deploy/prometheus"
		if out, err := tool.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// startPrometheus starts one that reads the configuration of deploy/, with this tandem's
// address and in a hurry.
func startPrometheus(t *testing.T, target string) (url string) {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile("../../deploy/prometheus/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	hurried := strings.NewReplacer("127.0.0.1:9464", target, "interval: 15s", "interval: 1s").Replace(string(text))
	rules, err := os.ReadFile("../../deploy/prometheus/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"prometheus.yml": hurried, "rules.yml": strings.ReplaceAll(string(rules), "interval: 30s", "interval: 1s")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	server := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--log.level=warn")
	server.Stdout, server.Stderr = t.Output(), t.Output()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	until(t, "Prometheus is ready", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return "http://" + addr
}

// until asks again each quarter of a second, for a minute.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	again := time.NewTicker(250 * time.Millisecond)
	defer again.Stop()
	for range 240 {
		if done() {
			return
		}
		<-again.C
	}
	t.Fatalf("not within a minute: %s", what)
}

// panels are the dashboard's queries by their panel's title, as Grafana sends them
// where nothing is selected.
func panels(t *testing.T) map[string][]string {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	text, err := os.ReadFile("../../deploy/grafana/tandem.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			all[p.Title] = append(all[p.Title], strings.NewReplacer("$instance", ".*", "$trunk", ".*").Replace(target.Expr))
		}
	}
	return all
}

// drawn reports whether Prometheus has a number to draw for a query.
func drawn(t *testing.T, prometheus, query string) bool {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.Unmarshal([]byte(get(t, prometheus+"/api/v1/query?query="+url.QueryEscape(query))), &answer); err != nil {
		t.Fatal(err)
	}
	for _, series := range answer.Data.Result {
		if series.Value[1] != "NaN" {
			return true
		}
	}
	return false
}

// TestEveryPanelHasData: each query of the dashboard has something to draw, once
// calls have ended in many ways over a trunk that has limits. This one does not
// register, so there is nothing to say of that.
func TestEveryPanelHasData(t *testing.T) {
	t.Parallel()
	w := startWith(t, "", slog.New(slog.NewTextHandler(t.Output(), nil)), "TANDEM_TRUNKS__SIMULATED__LIMITS__CHANNELS=20", "TANDEM_TRUNKS__SIMULATED__LIMITS__CPS=0.5")
	server := startPrometheus(t, w.Metrics.String())
	until(t, "the target is up", func() bool {
		return strings.Contains(get(t, server+"/api/v1/targets"), `"health":"up"`)
	})
	for _, to := range []string{"0100", "0101", "0104", "0106"} {
		w.call(t, "+12025550110", "+1202555"+to)
	}
	for title, queries := range panels(t) {
		for _, query := range queries {
			if title == "Registration ends in" {
				if drawn(t, server, query) {
					t.Errorf("%s, of a trunk that does not register", title)
				}
				continue
			}
			until(t, title+": "+query, func() bool { return drawn(t, server, query) })
		}
	}
}

// TestAlertFires: Debian's Prometheus with the configuration that compose mounts
// finds its target, loads every rule, and tells when the trunk is gone.
func TestAlertFires(t *testing.T) {
	t.Parallel()
	w := start(t)
	server := startPrometheus(t, w.Metrics.String())
	until(t, "the target is up", func() bool {
		return strings.Contains(get(t, server+"/api/v1/targets"), `"health":"up"`)
	})
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	until(t, "every rule is evaluated", func() bool {
		if err := json.Unmarshal([]byte(get(t, server+"/api/v1/rules")), &rules); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, g := range rules.Data.Groups {
			for _, r := range g.Rules {
				if n++; r.Health != "ok" {
					return false
				}
			}
		}
		return n >= 20
	})
	if err := w.trunkGone(); err != nil {
		t.Fatal(err)
	}
	until(t, "TandemAllTrunksDown fires", func() bool {
		var alerts struct {
			Data struct {
				Alerts []struct {
					Labels map[string]string
					State  string
				}
			}
		}
		if err := json.Unmarshal([]byte(get(t, server+"/api/v1/alerts")), &alerts); err != nil {
			t.Fatal(err)
		}
		for _, a := range alerts.Data.Alerts {
			if a.Labels["alertname"] == "TandemAllTrunksDown" && a.State == "firing" {
				return true
			}
		}
		return false
	})
}
