package main

import "math/bits"

// compand takes a sample through G.711 and back. It is written from the
// Recommendation and shares no code with what is measured.
func compand(x int16, alaw bool) int16 {
	negative := x < 0
	m := int(x)
	if negative {
		m = -m
	}
	if alaw {
		m = compandA(min(m, 32635))
	} else {
		m = compandU(min(m, 32635))
	}
	if negative {
		m = -m
	}
	return int16(m)
}

// compandU quantises a magnitude by µ-law: eight segments of 16 steps, bias 132.
func compandU(m int) int {
	m += 132
	shift := bits.Len(uint(m)) - 5
	return m>>shift<<shift + 1<<shift>>1 - 132
}

// compandA quantises a magnitude by A-law: steps of 16 up to 512, then doubling.
func compandA(m int) int {
	shift := max(4, bits.Len(uint(m))-5)
	return m>>shift<<shift + 1<<shift>>1
}
