package bridge

import (
	"strconv"

	"github.com/nyaruka/phonenumbers"
)

// CallingCode is the country calling code of an ISO region, "1" for US; "" when
// there is no such region (ITU-T E.164).
func CallingCode(region string) string {
	code := phonenumbers.GetCountryCodeForRegion(region)
	if code == 0 {
		return ""
	}
	return strconv.Itoa(code)
}
