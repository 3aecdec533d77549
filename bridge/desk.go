package bridge

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// A rep's phone may be a desk phone, which has a SIP URI and no number. Where its
// host is, and how it is reached, says the trunk of the routing rule that allows the
// host; so a URI has no port and no parameters.
var deskForm = regexp.MustCompile(`^sip:([A-Za-z0-9][A-Za-z0-9._*-]{0,63}|\+[0-9]{1,15})@([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)$`)

// IsDesk reports whether what a rep is rung at is a SIP URI.
func IsDesk(number string) bool { return len(number) > 4 && strings.EqualFold(number[:4], "sip:") }

// desk reads the SIP URI of a rep's phone. A user that is a telephone number may be
// rung where the number may.
func (p *Policy) desk(field, text string) (uri string, refused *Refusal) {
	user, host, _ := strings.Cut(strings.TrimSpace(text)[4:], "@")
	uri = "sip:" + user + "@" + strings.ToLower(host)
	if !deskForm.MatchString(uri) {
		return "", &Refusal{Code: CodeInvalidNumber, Field: field, Detail: fmt.Sprintf("%q is not the address of a phone. Write it as sip:204@pbx.example.com.", text)}
	}
	return uri, p.mayRing(field, uri)
}

// mayRing asks for one SIP URI, as the rules stand now.
func (p *Policy) mayRing(field, uri string) *Refusal {
	user, host, _ := strings.Cut(uri[4:], "@")
	if p.emergency(user) {
		return &Refusal{Code: CodeEmergency, Field: field, Detail: "Emergency numbers are never dialled from here. Call them from a telephone."}
	}
	if !slices.Contains(p.Desks, host) {
		return &Refusal{Code: CodeDestinationForbidden, Field: field, Detail: fmt.Sprintf("No routing rule matches \"sip:%s\", so its phones are not rung.", host)}
	}
	if len(phonenumbers.NormalizeDigitsOnly(user)) < len("5550100") {
		return nil // an extension
	}
	n, err := phonenumbers.Parse(user, p.Region)
	if err != nil || phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE {
		return nil // a name
	}
	return p.may(field, phonenumbers.Format(n, phonenumbers.E164))
}
