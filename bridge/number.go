package bridge

import "strings"

// Number is a telephone number, read once.
type Number struct {
	E164      string // or the SIP URI of a rep's desk phone
	Display   string // as it is written within its region, or internationally
	Extension string // dialled after the answer, "" = none
}

// RepNumber reads the number of a rep's own phone, and refuses those that could
// not be rung: field names it in the refusal, region is whose numbers may be
// written without + ("" = the Policy's).
func (b *Bridge) RepNumber(field, text, region string) (Number, error) {
	p := b.Policy().in(region)
	n, refused := p.parseRep(field, text)
	if refused == nil {
		refused = p.mayRep(field, n.E164)
	}
	if refused != nil {
		return Number{}, refused
	}
	return n, nil
}

// parseRep reads what a rep is rung at: a number, or the SIP URI of a desk phone.
func (p *Policy) parseRep(field, text string) (n Number, refused *Refusal) {
	if IsDesk(strings.TrimSpace(text)) {
		n.E164, refused = p.desk(field, text)
		n.Display = strings.TrimPrefix(n.E164, "sip:")
		return n, refused
	}
	n.E164, n.Display, n.Extension, refused = p.parseNumber(field, text)
	return n, refused
}

// Number reads a number, whoever's it is.
func (b *Bridge) Number(field, text, region string) (Number, error) {
	var n Number
	var refused *Refusal
	if n.E164, n.Display, n.Extension, refused = b.Policy().in(region).parseNumber(field, text); refused != nil {
		return Number{}, refused
	}
	return n, nil
}
