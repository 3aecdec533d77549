package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// examples are the settings that the contract's file shows at work, and not at
// their default. Without http.public_url links lead to where the browser asked.
var examples = regexp.MustCompile(`^(numbers\.(default_region|allow|deny)|trunks\.twilio\..*|trunks\.office-pbx\.(host|preset|limits\..*)|routing.*|http\.public_url)$`)

// TestSettingsKeepTheContract: the contract's file is taken as it is, each of its
// keys is one of ours, and what it shows is what a file without it has.
func TestSettingsKeepTheContract(t *testing.T) {
	text, err := os.ReadFile("../test/testdata/contract/tandem.yaml")
	if err != nil {
		t.Fatal(err)
	}
	credentials := t.TempDir()
	if err := os.WriteFile(filepath.Join(credentials, "twilio"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	whole := settings(t, text, "CREDENTIALS_DIRECTORY="+credentials)
	bare := settings(t, []byte(`version: 1
numbers: {default_region: US, allow: ["+1"]}
trunks:
  twilio: {preset: twilio, host: acme.pstn.twilio.com, auth: {mode: ip}, caller_ids: ["+14155550100"]}
  office-pbx: {preset: asterisk, host: pbx.example.com}
routing:
  - {leg: rep, trunks: [office-pbx]}
  - {leg: prospect, trunks: [twilio]}
`))
	compared := 0
	for _, path := range slices.Sorted(maps.Keys(whole)) {
		if examples.MatchString(path) {
			continue
		}
		compared++
		if got, want := fmt.Sprint(bare[path].Value), fmt.Sprint(whole[path].Value); got != want {
			t.Errorf("%s is %s and not %s", path, got, want)
		}
	}
	if compared < 80 {
		t.Errorf("%d settings were compared", compared)
	}
}

// settings are those of a file that has no error.
func settings(t *testing.T, file []byte, environ ...string) (all map[string]setting) {
	t.Helper()
	c, problems := Read("tandem.yaml", file, environ)
	if problems.Errors() > 0 {
		t.Fatal(problems)
	}
	var out bytes.Buffer
	if err := c.PrintJSON(&out, true); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	return all
}
