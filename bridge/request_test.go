package bridge

import (
	"errors"
	"regexp"
	"testing"
)

func american() *Policy {
	return &Policy{Region: "US", Allow: []string{"+1", "+44", "+190055"}, Deny: []string{"+1900", "+4470"}, OwnNumber: []string{"+14155550100"}}
}

func TestNumbersAsPeopleWriteThem(t *testing.T) {
	tests := []struct{ text, e164, display, extension string }{
		{"+14155550123", "+14155550123", "(415) 555-0123", ""},
		{"(415) 555-0123", "+14155550123", "(415) 555-0123", ""},
		{"415.555.0123", "+14155550123", "(415) 555-0123", ""},
		{"tel:+1-415-555-0123", "+14155550123", "(415) 555-0123", ""},
		{"011 44 1632 960001", "+441632960001", "+44 1632 960001", ""},
		{"+44 (0)1632 960001", "+441632960001", "+44 1632 960001", ""},
		{"1-800-FLOWERS", "+18003569377", "(800) 356-9377", ""},
		{"４１５ ５５５ ０１２３", "+14155550123", "(415) 555-0123", ""},
		{"415-555-0123 x123", "+14155550123", "(415) 555-0123", "123"},
		{"415-555-0123x123", "+14155550123", "(415) 555-0123", "123"},
		{"(415) 555-0123, ext. 12-3", "+14155550123", "(415) 555-0123", "123"},
		{"+14155550123;ext=123", "+14155550123", "(415) 555-0123", "123"},
		{"+14155550123,,2,,,501#", "+14155550123", "(415) 555-0123", ",,2,,,501#"},
		{"+14155550123;501", "+14155550123", "(415) 555-0123", ";501"},
	}
	for _, tt := range tests {
		e164, display, extension, refused := american().parseNumber("to", tt.text)
		if refused != nil || e164 != tt.e164 || display != tt.display || extension != tt.extension {
			t.Errorf("%q: %q %q %q %v", tt.text, e164, display, extension, refused)
		}
	}
}

func TestRefusedNumbers(t *testing.T) {
	const rep = "+14155550199"
	tests := []struct {
		request Request
		code    Code
		field   string
	}{
		{Request{RepNumber: rep, To: ""}, CodeInvalidNumber, "to"},
		{Request{RepNumber: rep, To: "hello"}, CodeInvalidNumber, "to"},
		{Request{RepNumber: rep, To: "+1415555012"}, CodeInvalidNumber, "to"},
		{Request{RepNumber: rep, To: "5550123"}, CodeInvalidNumber, "to"},
		{Request{RepNumber: "12", To: "+14155550123"}, CodeInvalidNumber, "rep_number"},
		{Request{RepNumber: rep, To: "+14155550123 x"}, CodeExtensionInvalid, "to"},
		{Request{RepNumber: rep, To: "+14155550123,;"}, CodeExtensionInvalid, "to"},
		{Request{RepNumber: rep, To: "+14155550199"}, CodeSameNumber, "to"},
		{Request{RepNumber: rep, To: "+14155550100"}, CodeDestinationForbidden, "to"}, // a loop
		{Request{RepNumber: rep, To: "+33142685300"}, CodeDestinationForbidden, "to"},
		{Request{RepNumber: rep, To: "+19002345678"}, CodeDestinationForbidden, "to"},
		{Request{RepNumber: "+447012345678", To: rep}, CodeDestinationForbidden, "rep_number"},
		{Request{RepNumber: rep, To: "+14155550123", CallerID: "+14155550100 x1"}, CodeInvalidNumber, "caller_id"},
		{Request{RepNumber: rep, To: "411"}, CodeInvalidNumber, "to"}, // short codes
		{Request{RepNumber: rep, To: "611"}, CodeInvalidNumber, "to"},
		{Request{RepNumber: rep, To: "+1811"}, CodeInvalidNumber, "to"},
		{Request{RepNumber: rep, To: "32665"}, CodeInvalidNumber, "to"},
		{Request{RepNumber: rep, To: "*67"}, CodeInvalidNumber, "to"},
		{Request{RepNumber: rep, To: "+44 118 118"}, CodeInvalidNumber, "to"},
		{Request{RepNumber: "411", To: rep}, CodeInvalidNumber, "rep_number"},
		{Request{RepNumber: rep, To: "911"}, CodeEmergency, "to"},
		{Request{RepNumber: rep, To: "9-1-1"}, CodeEmergency, "to"},
		{Request{RepNumber: rep, To: "９１１"}, CodeEmergency, "to"},
		{Request{RepNumber: rep, To: "+1911"}, CodeEmergency, "to"},
		{Request{RepNumber: rep, To: "tel:911"}, CodeEmergency, "to"},
		{Request{RepNumber: rep, To: "911,,1"}, CodeEmergency, "to"},
		{Request{RepNumber: rep, To: "911 x5"}, CodeEmergency, "to"},
		{Request{RepNumber: rep, To: "112"}, CodeEmergency, "to"},
		{Request{RepNumber: rep, To: "+44999"}, CodeEmergency, "to"},
		{Request{RepNumber: rep, To: "011 44 999"}, CodeEmergency, "to"},
		{Request{RepNumber: rep, To: "0044112"}, CodeEmergency, "to"},
		{Request{RepNumber: rep, To: "+33 15"}, CodeEmergency, "to"},
		{Request{RepNumber: "999", To: rep}, CodeEmergency, "rep_number"},
	}
	for _, tt := range tests {
		_, err := american().parse(tt.request)
		var refused *Refusal
		if !errors.As(err, &refused) || refused.Code != tt.code || refused.Field != tt.field {
			t.Errorf("%+v: %v", tt.request, err)
		}
	}
}

func TestLongerAllowedPrefixBeatsDeny(t *testing.T) {
	if refused := american().may("to", "+19005512345"); refused != nil {
		t.Error(refused)
	}
}

func TestCallerIDIsTheTrunks(t *testing.T) {
	route := Route{Trunk: "carrier", CallerIDs: []string{"+14155550100", "+14155550101"}}
	for _, tt := range []struct{ asked, want string }{{"", "+14155550100"}, {"+14155550101", "+14155550101"}, {"+14155550102", ""}} {
		asked := Asked{CallerID: tt.asked}
		_, refused := own([]Route{route}, &asked)
		if (refused != nil) != (tt.want == "") || tt.want != "" && asked.CallerID != tt.want {
			t.Errorf("%q: %q %v", tt.asked, asked.CallerID, refused)
		}
	}
	if got := route.show("+14155550199"); got != "+14155550100" {
		t.Errorf("another trunk's leg shows %s", got)
	}
}

// TestRepsTrunksNeedNoCallerIDs: what the prospect sees is the prospect's trunk's,
// and a phone is tested by the trunk that calls ring it by, whatever it may show.
func TestRepsTrunksNeedNoCallerIDs(t *testing.T) {
	b := New(Config{Policy: func() *Policy { return american() }, Route: func(side Side, number string) []Route {
		if side == Rep {
			return []Route{{Trunk: "pbx"}}
		} else if number == "+14155550199" {
			return nil
		}
		return []Route{{Trunk: "carrier", CallerIDs: []string{"+14155550100"}}}
	}})
	for _, tt := range []struct {
		asked     Asked
		shows, by string
	}{
		{Asked{RepNumber: "+14155550199", To: "+14155550123"}, "+14155550100", "carrier"},
		{Asked{RepNumber: "+14155550199", To: "+14155550199", Kind: Verification}, "+14155550100", "pbx"},
		{Asked{RepNumber: "+14155550199", To: "+14155550199", Kind: Verification, CallerID: "+14155550101"}, "+14155550101", "pbx"},
	} {
		routes, refused := b.ways(&tt.asked)
		if refused != nil || tt.asked.CallerID != tt.shows || routes[Rep][0].Trunk != "pbx" || routes[Prospect][0].Trunk != tt.by {
			t.Errorf("%+v: %v %v", tt.asked, routes, refused)
		}
	}
	if _, refused := b.ways(&Asked{RepNumber: "+14155550123", To: "+14155550199"}); refused == nil || refused.Code != CodeNoTrunk {
		t.Errorf("a prospect that no route takes: %v", refused)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"+14155550123", "415 555 0123 x12", "911", "+1,;", "tel:;ext=", "+44(0)1632,,1#"} {
		f.Add(text)
	}
	whole := regexp.MustCompile(`^\+[1-9][0-9]{4,16}$`)
	f.Fuzz(func(t *testing.T, text string) {
		p := american()
		asked, err := p.parse(Request{RepNumber: "+14155550199", To: text})
		if err != nil {
			return
		}
		if !whole.MatchString(asked.To) || asked.Extension != "" && !extensionForm.MatchString(asked.Extension) {
			t.Errorf("%q became %q with %q", text, asked.To, asked.Extension)
		}
		if again := p.check(asked); again != nil {
			t.Errorf("%q is refused on the second look: %v", text, again)
		}
	})
}
