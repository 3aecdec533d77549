// Command calls measures what a call costs tandem: a `tandem serve` process is
// given a simulated trunk on loopback, and
//
//	go run ./test/bench/calls
//
// prints, with 10, 100 and 500 calls up: how long after the POST the rep's
// INVITE leaves, how long after the first packet of the 1 the prospect's does,
// how long after the prospect's 200 the first word reaches each side, what the
// relay adds to the delay of a bare pair of sockets in the same run, the CPU of a
// call and of a relayed packet, and the memory of a call. Nothing is asserted.
//
//	go run ./test/bench/calls -records 1000000
//
// fills the store with that many calls instead, and prints what the control API
// does on top of them: requests a second, how long each list takes, the export, how
// long after a 180 a stream and a webhook tell of it, what 200 streams and 50
// webhook endpoints cost a call, and how long a write waits while old calls are
// dropped.
package main
