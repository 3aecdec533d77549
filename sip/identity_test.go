package sip

import (
	"slices"
	"strings"
	"testing"
)

// Who calls, in every header there is for it, shown and hidden.
func TestPrivacy(t *testing.T) {
	all := []string{"p-asserted-identity", "p-preferred-identity", "remote-party-id", "diversion"}
	tests := []struct {
		trunk              TrunkConfig
		from, rpid, divert string
		privacy            []string
	}{
		{TrunkConfig{Privacy: "allowed"}, `"Bob" <sip:+441632960000@10.0.0.2>`, ";privacy=off", "", nil},
		{TrunkConfig{Privacy: "id"}, `"Anonymous" <sip:anonymous@anonymous.invalid>`, ";privacy=full", ";privacy=full", []string{"id"}},
		{TrunkConfig{Privacy: "id", FromUser: "1234567t0"}, `<sip:1234567t0@10.0.0.2>`, ";privacy=full", ";privacy=full", []string{"id"}},
	}
	for _, tt := range tests {
		tt.trunk.Name, tt.trunk.Host, tt.trunk.Identity = "carrier", "10.0.0.2", all
		inBubble(t, func(w *world) {
			call := invite()
			call.FromName = "Bob"
			d := w.dial(call)
			inv := w.expect("INVITE")
			if from, _, _ := strings.Cut(inv.get("from"), ";tag="); from != tt.from {
				t.Errorf("From %q, want %q", from, tt.from)
			}
			if got := inv.all("privacy"); !slices.Equal(got, tt.privacy) {
				t.Errorf("Privacy %q, want %q", got, tt.privacy)
			}
			for _, name := range all { // the trunk learns the number all the same
				if got := inv.all(name); len(got) != 1 || !strings.HasPrefix(got[0], "<sip:+441632960000@10.0.0.2>") {
					t.Errorf("%s: %q", name, got)
				}
			}
			if got := inv.get("remote-party-id"); !strings.Contains(got, tt.rpid) {
				t.Errorf("Remote-Party-ID %q", got)
			}
			if got := inv.get("diversion"); !strings.HasSuffix(got, tt.divert) {
				t.Errorf("Diversion %q", got)
			}
			w.respond(inv, "486 Busy Here", "x")
			w.expect("ACK")
			_ = d.fails()
		}, withTrunks(tt.trunk))
	}
}

// A technical prefix may hold what a URI may not.
func TestPrefixIsEscaped(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		if inv.uri() != "sip:12345678%23441632960001@10.0.0.2" || inv.get("to") != "<sip:12345678%23441632960001@10.0.0.2>" {
			t.Errorf("%s, To %s", inv.uri(), inv.get("to"))
		}
		w.respond(inv, "407 Proxy Authentication Required", "x", `Proxy-Authenticate: Digest realm="r", nonce="n"`)
		w.expect("ACK")
		inv = w.expect("INVITE")
		if got := inv.get("proxy-authorization"); !strings.Contains(got, `uri="sip:12345678%23441632960001@10.0.0.2"`) {
			t.Errorf("the digest is of another URI: %s", got)
		}
		w.respond(inv, "486 Busy Here", "x")
		w.expect("ACK")
		_ = d.fails()
	}, withTrunks(TrunkConfig{Name: "carrier", Host: "10.0.0.2", Username: "a", Password: "b", Format: "e164", Prefix: "12345678#"}))
}

// A desk phone is called by its own address, which no prefix or port of the trunk changes.
func TestURIIsDialledAsItIs(t *testing.T) {
	inBubble(t, func(w *world) {
		desk := invite()
		desk.To = "sip:ana.ruiz@pbx.example.com"
		d := w.dial(desk)
		inv := w.expect("INVITE")
		if inv.uri() != desk.To || inv.get("to") != "<"+desk.To+">" {
			t.Errorf("%s, To %s", inv.uri(), inv.get("to"))
		}
		w.respond(inv, "486 Busy Here", "x")
		w.expect("ACK")
		_ = d.fails()
	}, withTrunks(TrunkConfig{Name: "carrier", Host: "10.0.0.2", Format: "e164", Prefix: "12345678#"}))
}

// Whatever the API hands over, an INVITE has the headers it has, or is not made.
func FuzzCallerIdentity(f *testing.F) {
	for _, seed := range [][3]string{
		{"+441632960000", `Bob "x" <sip:a@b>`, "+441632960001"},
		{"+44\r\nVia: x", "Bob\r\nX: y", "1;isub=2"},
		{"1001", "\x00", "*72#"},
		{"+1", "Größe 漢字", "+1@evil.example"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	trunk := TrunkConfig{
		Name: "t", Host: "sip.example.com", Format: "national", Country: "44", Prefix: "9#",
		Identity: []string{"p-asserted-identity", "remote-party-id", "diversion"}, ExtraHeaders: map[string]string{"X-Ours": "1"},
	}
	f.Fuzz(func(t *testing.T, from, name, to string) {
		inv := Invite{From: from, FromName: name, To: to}
		s, err := trunk.identify(inv, "udp")
		if err != nil {
			return
		}
		text := "From: " + s.From + "\r\nTo: " + s.To + "\r\nX-URI: " + s.URI + "\r\n"
		for _, h := range trunk.callerHeaders(inv) {
			text += h.String() + "\r\n"
		}
		var names []string
		for line := range strings.SplitSeq(strings.TrimSuffix(text, "\r\n"), "\r\n") {
			field, value, _ := strings.Cut(line, ":")
			names = append(names, field)
			if strings.ContainsAny(value, "\r\n\x00") {
				t.Errorf("%q holds what ends a line", line)
			}
		}
		if want := []string{"From", "To", "X-URI", "P-Asserted-Identity", "Remote-Party-ID", "Diversion", "X-Ours"}; !slices.Equal(names, want) {
			t.Errorf("headers %q", names)
		}
		if uri, ok := sipURI(s.URI); !ok || uri.Host != "sip.example.com" {
			t.Errorf("%q dials another host: %v", s.URI, uri)
		}
		if got := addressURI(s.From); !strings.HasSuffix(got, "@sip.example.com") {
			t.Errorf("From %q names another domain: %q", s.From, got)
		}
	})
}
