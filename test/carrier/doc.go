// Package carrier is a SIP trunk with phones behind it: the far end of
// `tandem demo` and of the tests. Its SIP is written by text templates and its
// RTP by hand, with no library and nothing of tandem's, so that both ends of a
// call cannot share a bug.
//
// A phone is a Script: Go code that rings, answers, presses keys, talks and
// hangs up. Magic numbers have scripts of their own.
package carrier
