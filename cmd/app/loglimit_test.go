package app

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestLogIsLimited: a flood of one line is cut and told in a number, other lines and
// what calls say of themselves pass, and the metric counts all.
func TestLogIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		registry := prometheus.NewRegistry()
		log := countLogs(limitLogs(slog.New(slog.NewTextHandler(&out, nil))), registry)
		count := func(part string) int { return strings.Count(out.String(), part) }
		for range 10 * sameLines {
			log.With("trunk", "carrier").Warn("flood")
			log.Info("call ended")
		}
		log.Error("other")
		if count("msg=flood") != sameLines || count("call ended") != 10*sameLines || count("other") != 1 || count("left out") != 0 {
			t.Errorf("%d, %d, %d", count("msg=flood"), count("call ended"), count("other"))
		}
		<-time.After(sameWhile)
		log.Warn("flood")
		if count("msg=flood") != sameLines+1 || count(`msg="log: lines left out" line=flood lines=900`) != 1 {
			t.Errorf("after a while:\n%s", out.String()[out.Len()-300:])
		}
		if n, err := testutil.GatherAndCount(registry); err != nil || n != 4 {
			t.Errorf("%d %v", n, err)
		}
		if err := testutil.GatherAndCompare(registry, strings.NewReader("# HELP tandem_log_messages_total Lines that were logged, by level.\n# TYPE tandem_log_messages_total counter\ntandem_log_messages_total{level=\"debug\"} 0\ntandem_log_messages_total{level=\"error\"} 1\ntandem_log_messages_total{level=\"info\"} 1000\ntandem_log_messages_total{level=\"warn\"} 1001\n")); err != nil {
			t.Error(err)
		}
	})
}
