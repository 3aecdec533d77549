package ops

import (
	"encoding/json"
	"net"
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

// TestAlertFires: Debian's Prometheus with the configuration that compose mounts
// finds its target, loads every rule, and tells when the trunk is gone.
func TestAlertFires(t *testing.T) {
	w := start(t)
	url := startPrometheus(t, w.Metrics.String())
	until(t, "the target is up", func() bool {
		return strings.Contains(get(t, url+"/api/v1/targets"), `"health":"up"`)
	})
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	until(t, "every rule is evaluated", func() bool {
		if err := json.Unmarshal([]byte(get(t, url+"/api/v1/rules")), &rules); err != nil {
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
		if err := json.Unmarshal([]byte(get(t, url+"/api/v1/alerts")), &alerts); err != nil {
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
