//go:build linux

package confine

const callBPF = 321
