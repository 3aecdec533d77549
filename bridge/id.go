package bridge

import (
	"encoding/base32"

	"github.com/google/uuid"
)

// crockford is Crockford's base32 in lower case: no i, l, o or u.
var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID makes an id such as call_01kay2v5e8f3vr2m8c5nq0d7xw: the prefix, and a
// UUIDv7 (RFC 9562 §5.7) in 26 characters, so that ids sort by their time.
func NewID(prefix string) string {
	id := uuid.Must(uuid.NewV7())
	// 128 bits are 26 characters with two bits to spare; those lead, as in
	// ULIDs, so that the text sorts as the number does.
	var wide [20]byte // 160 bits: 32 characters, of which the first 6 are zero padding
	copy(wide[4:], id[:])
	return prefix + "_" + crockford.EncodeToString(wide[:])[6:]
}
