// Package tracing shows calls as OpenTelemetry traces: a span for the call, and in
// it one for each leg, for the question that the rep is asked, and for the talk.
// They are made from the events of the call, as its record is, so that a packet
// and a SIP message cost nothing. Telephone numbers are in none of them.
//
//	call
//	├─ leg rep        ringing, answered
//	│  └─ confirm     until the 1
//	├─ leg prospect   ringing, answered
//	└─ bridge         while they talk
//
// It is the one door to go.opentelemetry.io/otel.
package tracing
