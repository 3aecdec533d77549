package ops

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tandem/test/carrier"
	"tandem/test/follow"
	"tandem/test/namespace"
)

// TestOperate: whoever types what docs/operate.md says, on a Debian with the package, has
// a service over a trunk that asks for a password, a call, a Prometheus that watches it,
// and an alert. Only the trunk's address is another, and the waits are shorter.
func TestOperate(t *testing.T) {
	const folder = "TANDEM_TEST_PACKAGE" // where it is: it takes a network to build
	if os.Getenv(folder) == "" {
		t.Setenv(folder, t.TempDir())
		if out, err := exec.Command("../../deploy/deb/build", os.Getenv(folder), "1.2.3").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if !namespace.Alone(t, func(t *testing.T) { t.Fatal("this takes root, CAP_BPF and CAP_NET_ADMIN") }) {
		return
	}
	began := time.Now()
	m := boot(t)
	trunk := openTrunk(t, carrier.Options{User: "acme", Password: "secret", Speed: 4, Script: func(number string) carrier.Script {
		alike := map[string]string{"14155550199": "12025550110", "14155550123": "12025550100"}
		return carrier.Magic(alike[number])
	}})
	port := strconv.Itoa(int(trunk.Addr().Port()))
	if err := os.CopyFS(filepath.Join(m.root, "root"), os.DirFS(os.Getenv(folder))); err != nil {
		t.Fatal(err)
	}
	m.write("etc/systemd/system/tandem.service.d/hurry.conf", []byte("[Service]\nEnvironment=TANDEM_TRUNKS__CARRIER__KEEPALIVE__OPTIONS=1s TANDEM_TRUNKS__CARRIER__KEEPALIVE__FAIL_AFTER=1 TANDEM_TRUNKS__CARRIER__KEEPALIVE__RECOVER_AFTER=1\n"))
	m.write("etc/systemd/system/grafana-server.service", []byte("[Service]\nExecStart=/bin/sleep infinity\n")) // Debian has none
	m.write("etc/grafana/grafana.ini", nil)

	r := follow.Open(t, "../../docs/operate.md")
	r.Shell = m.shell
	r.Instead = []string{"apt-get install -y", "dpkg -i", "sip.example.com ", "127.0.0.1\n    port: " + port, "sport 5060", "sport " + port,
		"systemctl restart prometheus", "sed -i 's/\\(15\\|30\\)s/1s/' /etc/prometheus/*.yml; systemctl restart prometheus"}
	r.Types("apt-get install")
	r.Answers("(umask 077; cat > /etc/tandem/secrets/trunk)", "secret\n")
	m.write("etc/tandem/tandem.yaml", []byte(r.Next("yaml", "version: 1")))
	screen := r.Types("tandem check-config")
	r.Sees(screen, `0 errors, 0 warnings(?s:.*)this machine\n(?s:.*)  ready\ntrunk carrier(?s:.*)  ready`)
	r.Types("systemctl enable --now tandem")
	r.Instead = append(r.Instead, "tdm_live_…", r.Sees(r.Types("tandem keys create"), `(tdm_live_\S+)`))
	r.Sees(r.Types("export TANDEM_API_KEY"), `ended +completed +Call ended`)
	r.Types("cp /usr/share/tandem/prometheus")
	look := r.Next("sh", "promtool query instant")
	until(t, "Prometheus has asked tandem", func() bool {
		out, err := m.shell(look).Output()
		return err == nil && strings.Contains(string(out), `trunk="carrier"} => 1 @`)
	})
	r.Types("cp -r /usr/share/tandem/grafana")
	r.Types("nft add table inet drill")
	look = r.Next("sh", "promtool query instant")
	until(t, "the alert fires", func() bool {
		out, err := m.shell(look).Output()
		return err == nil && strings.Contains(string(out), `alertname="TandemAllTrunksDown"`)
	})
	r.Sees(r.Types("tandem doctor trunk-down"), `# A trunk does not answer(?s:.*)\[no_answer\](?s:.*)not ready`)
	r.Types("nft delete table inet drill")
	until(t, "the alert is over", func() bool {
		out, err := m.shell(look).Output()
		return err == nil && !strings.Contains(string(out), "TandemAllTrunksDown")
	})
	m.write("etc/prometheus/more.yml", []byte(r.Next("yaml", "alerting:")))
	m.run("cat /etc/prometheus/more.yml >> /etc/prometheus/prometheus.yml && promtool check config /etc/prometheus/prometheus.yml")
	r.Ends()
	t.Logf("from the package to an alert that fired, and was over: %v", time.Since(began).Round(time.Second))

	t.Run("package", m.pack)
	t.Run("unit", m.unit)
	t.Run("reload", m.reload)
	t.Run("backup", m.backup)
	t.Run("watchdog", m.watchdog)
	t.Run("remove", m.remove)
}

// pack: all is there, the binary is of the package's version, and what an operator has
// written stays theirs.
func (m machine) pack(t *testing.T) {
	m.T = t
	m.run("cd /usr/share; ls man/man1/tandem.1.gz bash-completion/completions/tandem zsh/vendor-completions/_tandem fish/vendor_completions.d/tandem.fish doc/tandem/runbooks/trunk-down.md")
	if said := m.run("tandem version"); !strings.HasPrefix(said, "tandem 1.2.3 ") {
		t.Errorf("another version: %s", said)
	}
	if said := m.run("dpkg -s tandem"); !strings.Contains(said, "/etc/tandem/tandem.yaml") {
		t.Errorf("the configuration would be overwritten:\n%s", said)
	}
	if said := m.run("dpkg-deb --fsys-tarfile tandem_*.deb | tar -xO ./etc/tandem/tandem.yaml > /tmp/first.yaml; tandem check-config --config /tmp/first.yaml || true"); !strings.Contains(said, "secrets/trunk") {
		t.Errorf("the first configuration is not one for systemd's credentials: %s", said)
	}
}

// unit: systemd finds nothing wrong with it, and little that it could do; the process
// has the kernel path, and nobody else can read the store.
func (m machine) unit(t *testing.T) {
	m.T = t
	if said := m.run("systemd-analyze verify --man=no /lib/systemd/system/tandem.service 2>&1"); said != "" {
		t.Errorf("%s", said)
	}
	t.Logf("%s", m.run("systemd-analyze security --threshold=20 tandem | tail -1"))
	user := strings.TrimSpace(m.run("stat -c %u /proc/$(systemctl show -P MainPID tandem)"))
	if mode := m.run("stat -c '%a %u' /var/lib/private/tandem /var/lib/private/tandem/tandem.db"); user == "0" || mode != "700 "+user+"\n600 "+user+"\n" {
		t.Errorf("%s runs it, the store is %s", user, mode)
	}
	if log := m.run("journalctl -u tandem --no-pager"); strings.Contains(log, "user path") || strings.Contains(log, "secret") {
		t.Errorf("in the log is %s", log)
	}
}

// reload: a file that is wrong changes nothing, and an alert would tell; a good one is taken.
func (m machine) reload(t *testing.T) {
	m.T = t
	asked := "curl -s http://127.0.0.1:9464/metrics | grep ^tandem_config_last_reload_successful"
	for _, tt := range []struct{ edit, want string }{
		{"sed -i 's/cps: 1/cps: one/' /etc/tandem/tandem.yaml", "0"}, {"sed -i 's/cps: one/cps: 2/' /etc/tandem/tandem.yaml", "1"},
	} {
		m.run(tt.edit + "; systemctl reload tandem")
		until(t, "it has read the file again", func() bool { return strings.HasSuffix(strings.TrimSpace(m.run(asked)), " "+tt.want) })
		m.run("tandem healthcheck --ready")
	}
}

// backup: what is restored serves the same calls, and no store is taken from a running tandem.
func (m machine) backup(t *testing.T) {
	m.T = t
	const look = "export TANDEM_API_KEY=$(tandem keys create --name look | head -1); tandem call list --json"
	before := m.run(look)
	m.run("tandem backup /root/b.db")
	if !strings.Contains(before, "completed") {
		t.Errorf("there is no call: %s", before)
	}
	if said, err := m.shell("tandem restore --replace /root/b.db").CombinedOutput(); err == nil {
		t.Errorf("the store of a running tandem was replaced: %s", said)
	}
	m.run("systemctl stop tandem; tandem restore --replace /root/b.db; systemctl start tandem")
	if after := m.run(look); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// watchdog: a process that stands still is ended, and the next one serves.
func (m machine) watchdog(t *testing.T) {
	m.T = t
	m.write("etc/systemd/system/tandem.service.d/watchdog.conf", []byte("[Service]\nWatchdogSec=1s\nRestartSec=0\n"))
	m.run("systemctl daemon-reload; systemctl restart tandem; kill -STOP $(systemctl show -P MainPID tandem)")
	until(t, "another process serves", func() bool {
		return strings.TrimSpace(m.run("systemctl show -P NRestarts tandem")) == "1" && m.shell("tandem healthcheck").Run() == nil
	})
}

// remove: the process goes with its package, the records stay.
func (m machine) remove(t *testing.T) {
	m.T = t
	m.run("dpkg -r tandem; ! systemctl is-active tandem; test -f /var/lib/private/tandem/tandem.db -a -f /etc/tandem/tandem.yaml")
}
