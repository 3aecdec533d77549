package e2e

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"tandem/test/carrier"
)

// smallDisk is a disk of so many octets, which ends with the test.
func smallDisk(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fillUp takes all that is left of a disk, until the file that it makes is removed.
func fillUp(t *testing.T, dir string) (file string) {
	t.Helper()
	file = filepath.Join(dir, "filler")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	return file
}

// TestFullDisk: new calls are refused before anybody's phone rings; who talks talks
// on, and hangs up as ever. Once there is room, calls are taken again, the one that
// ended meanwhile has its record, and the CRM every event, in order.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	prospectLeaves := make(chan struct{})
	c := openCarrier(t, func(number string) carrier.Script {
		if "+"+number == prospectNumber {
			return func(call *carrier.Call) { call.Ring(); call.Answer(carrier.ProspectTone); <-prospectLeaves }
		}
		return func(call *carrier.Call) { call.Ring(); call.Answer(carrier.RepTone); <-call.Over() }
	})
	crm := &consumer{T: t, events: make(map[string][]string), taken: make(map[string]bool)}
	hook := httptest.NewServer(crm)
	defer hook.Close()
	disk := smallDisk(t, "4m")
	s := newServer(t, digestTrunk(c.Addr().Port()))
	s.env = append(s.env, "TANDEM_WEBHOOKS__ALLOW_PRIVATE_NETWORKS=true", "TANDEM_STORE__URL=sqlite://"+filepath.Join(disk, "t.db"))
	s.start()
	if code, problem := s.do("POST", "/v1/webhook-endpoints", `{"url":"`+hook.URL+`","types":["call.*"]}`); code != 201 {
		t.Fatalf("%d %v", code, problem)
	}
	id := s.call(repNumber, prospectNumber, "awaiting_confirmation")
	if code, problem := s.do("POST", "/v1/calls/"+id+"/confirm", ""); code >= 300 {
		t.Fatalf("confirm: %d %v", code, problem)
	}
	s.reaches(id, "in_progress")

	filler := fillUp(t, disk)
	ask := func() (int, map[string]any) {
		return s.do("POST", "/v1/calls", `{"rep_number":"+12025550188","to":"+12025550189"}`)
	}
	if code, problem := ask(); code != 503 || problem["code"] != "store_unavailable" {
		t.Errorf("a call on a full disk: %d %v", code, problem)
	}
	if code, checks := s.do("GET", "/readyz", ""); code != 503 {
		t.Errorf("ready: %d %v", code, checks)
	}
	if n := len(c.Calls()); n != 2 {
		t.Errorf("%d legs, the call that is up has 2", n)
	}
	heard := c.Calls()[0].Heard().Tone(carrier.ProspectTone)
	s.until("they talk on", func() bool { return c.Calls()[0].Heard().Tone(carrier.ProspectTone) > heard+2*time.Second })
	if code, call := s.do("GET", "/v1/calls/"+id, ""); code != 200 || call["status"] != "in_progress" {
		t.Errorf("%d %v", code, call["status"])
	}
	close(prospectLeaves)
	s.until("the rep is let go", func() bool { _, _, byes, _ := c.Calls()[0].Fate(); return byes > 0 })

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.ends(id, "completed", "completed", "prospect")
	s.until("a call is taken", func() bool { code, _ := ask(); return code == 201 })
	_, want := s.wholeCall(id)
	s.until("the CRM has all of it", func() bool { return len(crm.of(id)) >= len(want) })
	if got := crm.of(id); !slices.Equal(got, want) {
		t.Errorf("the CRM got\n%v, there are\n%v", got, want)
	}
}
