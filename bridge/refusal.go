package bridge

import (
	"fmt"
	"time"
)

// Code says why a call was refused before any SIP; the API shows it as it is.
type Code string

// Every Code that Start, Confirm and SendDigits can refuse with.
const (
	CodeInvalidNumber        Code = "invalid_number"
	CodeExtensionInvalid     Code = "extension_invalid"
	CodeSameNumber           Code = "same_number_both_legs"
	CodeCallerIDNotAllowed   Code = "caller_id_not_allowed"
	CodeDestinationForbidden Code = "destination_not_allowed"
	CodeEmergency            Code = "emergency_number"
	CodeRepBusy              Code = "rep_busy"
	CodeNoCapacity           Code = "no_capacity"
	CodeNoTrunk              Code = "no_trunk_available"
	CodeDraining             Code = "draining"
	CodeStoreUnavailable     Code = "store_unavailable"
	CodeTooEarly             Code = "wrong_call_state"
	CodeAlreadyEnded         Code = "call_already_ended"
	CodeNotFound             Code = "not_found"
	CodeValidation           Code = "validation_failed"
	CodePremium              Code = "premium_blocked"
	CodeCountry              Code = "country_not_allowed"
	CodeDoNotCall            Code = "dnc_listed"
	CodeOutsideWindow        Code = "outside_call_window"
	CodeAttempts             Code = "attempt_limit"
	CodeRateLimited          Code = "rate_limited"
	CodeSpendLimit           Code = "spend_limit_reached"
	CodeDuplicate            Code = "duplicate_request" // not an error: ActiveCall is the call
)

// Refusal is a request that was not taken; nothing was dialled and nothing changed.
type Refusal struct {
	Code       Code
	Detail     string        // what is wrong and what to do about it, in English
	Field      string        // the request's field at fault, "" = none
	ActiveCall string        // with CodeRepBusy: the call that is up
	RetryAfter time.Duration // 0 = do not say

	NextAllowed time.Time // when it would be taken, zero = not known
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s: %s", r.Code, r.Detail) }
