package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestREADME: whoever follows the README against a PBX whose trunk is protected by
// digest is connected at the first try. Configuration and request are the README's
// own; only addresses and folders of this machine come from the environment.
func TestREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```[a-z]*\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	block := func(sign string) string {
		for _, b := range blocks {
			if strings.Contains(b[1], sign) {
				return b[1]
			}
		}
		t.Fatalf("the README has no block with %q", sign)
		return ""
	}
	config, curl := block("numbers:"), block("curl -s")
	number := func(field string) string {
		found := regexp.MustCompile(`"` + field + `": "(\+\d+)"`).FindStringSubmatch(curl)
		if found == nil {
			t.Fatalf("%s has no %s", curl, field)
		}
		return found[1]
	}

	pbx := startKamailio(t)
	rep := pbx.phone(repHz, number("rep_number"), ";audio_codecs=pcmu")
	prospect := pbx.phone(prospectHz, number("to"), ";audio_codecs=pcma")

	s := newServer(t, "")
	http := strings.TrimPrefix(s.url, "http://")
	s.env = append(s.local(), "TRUNK_PASSWORD="+trunkPassword,
		"TANDEM_TRUNKS__CARRIER__HOST=127.0.0.1", at("TANDEM_TRUNKS__CARRIER__PORT", pbx.port))
	if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()

	call := exec.Command("sh", "-c", strings.NewReplacer("127.0.0.1:8080", http, "tdm_live_…", s.key).Replace(curl))
	out, err := call.CombinedOutput()
	found := regexp.MustCompile(`"id":\s*"(call_[^"]*)"`).FindSubmatch(out)
	if err != nil || found == nil {
		t.Fatalf("%v: %s", err, out)
	}
	id := string(found[1])
	talk(t, s, id, rep, prospect)
	prospect.press(hangUpKey)
	s.ends(id, "completed", "completed", "prospect")
	rep.says("terminated")
}
