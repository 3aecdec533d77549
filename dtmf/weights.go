package dtmf

// The log odds that a run is a key, from its features, each brought to mean 0 and
// deviation 1: a weight on it, and one on its square where it lies above the mean.
// test/bench/dtmf fits them to its training corpus and prints this table.
var (
	featureMean  = [features]float64{-1.675, -1.658, 0.203, 0.148, -1.690, -1.461, 0.334, 0.986, 0.049}
	featureScale = [features]float64{0.650, 0.684, 0.227, 0.223, 0.358, 0.390, 1.147, 0.798, 0.027}
	weight       = [features]float64{-0.659, 1.139, 0.810, -3.718, -0.444, -1.735, 0.761, -2.048, -0.529}
	weightSquare = [features]float64{-1.205, 0.352, -0.512, 0.943, 1.304, -1.764, -0.061, -0.824, 0.602}
	weightBias   = 3.180
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
