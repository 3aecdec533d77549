package bridge

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"
)

// Request is a call as it was asked for, in the words of whoever asks.
type Request struct {
	ID          string // call_…, "" = a new one; a retry after a crash keeps its own
	Kind        Kind   // "" = PassThrough
	Source      Source // "" = FromAPI
	Key         string // id of the API key
	RepID       string // of a stored rep, "" = none
	RepExternal string // the CRM's id of them
	Region      string // ISO 3166, for numbers without +; "" = the Policy's
	RepNumber   string // E.164, or national; an extension may follow; or a SIP URI
	To          string // likewise; none where Kind is Verification
	CallerID    string // "" = the first of the prospect's trunk
	ContactName string
	TimeZone    string        // the prospect's, such as America/Denver; "" = that of the number
	Test        bool          // by a test key
	MaxDuration time.Duration // 0 = the configured limit
	Metadata    map[string]string
	Traceparent string // W3C Trace Context, of who asks; "" = none
}

// A number is followed by an extension (x123, ext. 123, ;ext=123) or by
// post-dial digits, where "," is a pause of 2 s and ";" waits for the rep's #.
var (
	withExtension = regexp.MustCompile(`(?i)^(.*[0-9)])\s*(?:;\s*ext=|,?\s*ext(?:ension|n)?[.:]?|x\.?)\s*([^a-z]*)$`)
	withPostDial  = regexp.MustCompile(`^([^,;]*)([,;].*)$`)
	extensionForm = regexp.MustCompile(`^[0-9*#,;]{1,40}$`)
)

// splitNumber parts a number from what is to be dialled after it.
func splitNumber(text string) (number, extension string, err error) {
	number = strings.TrimSpace(text)
	if len(number) >= 4 && strings.EqualFold(number[:4], "tel:") {
		number = number[4:]
	}
	parts := withExtension.FindStringSubmatch(number)
	if parts == nil {
		if parts = withPostDial.FindStringSubmatch(number); parts == nil {
			return number, "", nil
		}
	}
	extension = strings.NewReplacer(" ", "", "-", "", ".", "").Replace(parts[2])
	if !extensionForm.MatchString(extension) || !strings.ContainsAny(extension, "0123456789*#") {
		return "", "", fmt.Errorf("%q cannot be dialled after the number; use digits, *, #, and \",\" for a pause of 2 s", parts[2])
	}
	return strings.TrimSpace(parts[1]), extension, nil
}

// parseNumber reads a number once and for all: E.164, how people write it, and
// what is to be dialled after it.
func (p *Policy) parseNumber(field, text string) (e164, display, extension string, refused *Refusal) {
	number, extension, err := splitNumber(text)
	if err != nil {
		return "", "", "", &Refusal{Code: CodeExtensionInvalid, Field: field, Detail: "The extension " + err.Error() + "."}
	}
	if p.emergency(number) {
		return "", "", "", &Refusal{Code: CodeEmergency, Field: field,
			Detail: "Emergency numbers are never dialled from here. Call them from a telephone."}
	}
	parsed, err := phonenumbers.Parse(number, p.Region)
	if err != nil || phonenumbers.IsPossibleNumberWithReason(parsed) != phonenumbers.IS_POSSIBLE {
		return "", "", "", &Refusal{Code: CodeInvalidNumber, Field: field,
			Detail: fmt.Sprintf("%q is not a telephone number. Write it as +14155550123, or as it is dialled within %s.", text, p.Region)}
	}
	form := phonenumbers.INTERNATIONAL
	if phonenumbers.GetRegionCodeForNumber(parsed) == p.Region {
		form = phonenumbers.NATIONAL
	}
	return phonenumbers.Format(parsed, phonenumbers.E164), phonenumbers.Format(parsed, form), extension, nil
}

// regionOf is the country of a number, "" where its plan does not say.
func regionOf(e164 string) string {
	n, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return ""
	}
	return phonenumbers.GetRegionCodeForNumber(n)
}

// universal are emergency numbers that networks understand far from home.
var universal = []string{"112", "911", "999", "000"}

// longestEmergency bounds the digits of an emergency number that is dialled after a
// country code; the longest there is has 6 (Niger's).
const longestEmergency = 8

// emergency reports whether text, however it is written, would reach the
// emergency services: of the region, or of the country whose code it begins with.
func (p *Policy) emergency(text string) bool {
	digits := phonenumbers.NormalizeDigitsOnly(text)
	if slices.Contains(universal, digits) || phonenumbers.ConnectsToEmergencyNumber(digits, p.Region) {
		return true
	}
	if !strings.HasPrefix(strings.TrimSpace(text), "+") {
		digits = strings.TrimPrefix(strings.TrimPrefix(digits, "011"), "00")
	}
	for length := 1; length <= 3 && length < len(digits); length++ {
		national := digits[length:]
		if len(national) > longestEmergency {
			continue // the regions of +1 alone are 25 patterns
		}
		for _, region := range regionsOf(digits[:length]) {
			if slices.Contains(universal, national) || phonenumbers.IsEmergencyNumber(national, region) {
				return true
			}
		}
	}
	return false
}

// regionsOf are the regions of a country calling code, none if it is not one.
func regionsOf(code string) []string {
	n := 0
	for _, digit := range code {
		n = n*10 + int(digit-'0')
	}
	return phonenumbers.GetRegionCodesForCountryCode(n)
}
