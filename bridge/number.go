package bridge

// Number is a telephone number, read once.
type Number struct {
	E164      string
	Display   string // as it is written within its region, or internationally
	Extension string // dialled after the answer, "" = none
}

// RepNumber reads the number of a rep's own phone, and refuses those that could
// not be rung: field names it in the refusal, region is whose numbers may be
// written without + ("" = the Policy's).
func (b *Bridge) RepNumber(field, text, region string) (Number, error) {
	n, err := b.Number(field, text, region)
	if err != nil {
		return Number{}, err
	}
	if refused := b.Policy().may(field, n.E164); refused != nil {
		return Number{}, refused
	}
	return n, nil
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
