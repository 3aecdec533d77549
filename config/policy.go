package config

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	spendForm  = regexp.MustCompile(`^[0-9]+(\.[0-9]+)? [A-Z]{3}$`)
	windowForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$|^([01][0-9]|2[0-3]):[0-5][0-9]-24:00$`)
)

// checkPolicy is what the tags cannot say of who may be dialled, and of money.
func (d *decoder) checkPolicy(c *Config) {
	if w := c.Policy.CallWindow; w != "" && (!windowForm.MatchString(w) || w[:5] >= w[6:]) {
		d.at("policy.call_window", fmt.Sprintf("%q is not a part of a day such as 08:00-21:00", w), CodeType, "")
	}
	for _, name := range c.TrunkNames() {
		path, spend := "trunks."+name+".limits.daily_spend", c.Trunks[name].Limits.DailySpend
		switch {
		case spend == "":
		case !spendForm.MatchString(spend):
			d.at(path, fmt.Sprintf("%q is not an amount such as \"50.00 USD\"", spend), CodeType, "")
		case !strings.HasSuffix(spend, c.Rates.Currency):
			d.at(path, fmt.Sprintf("is not in %s, the currency of rates", c.Rates.Currency), CodeType, "")
		}
	}
}
