// Package scan finds key presses in recordings: WAV files and packet captures.
// It drives the receiver that listens in a call, dtmf.Receiver, with the time of
// the recording.
package scan
