package dtmf

// The log odds that a run is a key, from its features, each brought to mean 0 and
// deviation 1: a weight on it, and one on its square where it lies above the mean.
// test/bench/dtmf fits them to its training corpus and prints this table.
var (
	featureMean  = [features]float64{-1.675, -1.656, 0.212, 0.155, -1.665, -1.433, 0.343, 1.036, 0.050}
	featureScale = [features]float64{0.659, 0.697, 0.229, 0.225, 0.367, 0.400, 1.168, 0.816, 0.027}
	weight       = [features]float64{-0.299, 0.931, 0.631, -2.969, -1.075, -1.998, 0.787, -2.926, -0.326}
	weightSquare = [features]float64{-1.064, -0.233, -0.380, 0.825, 2.014, -2.384, -0.066, -0.745, 0.104}
	weightBias   = 3.235
)

func score(x *[features]float64) float64 {
	z := weightBias
	for i := range x {
		u := (x[i] - featureMean[i]) / featureScale[i]
		z += weight[i] * u
		if u > 0 {
			z += weightSquare[i] * u * u
		}
	}
	return z
}
