package dtmf

// The log odds that a run is a key, from its features, each brought to mean 0 and
// deviation 1: a weight on it, and one on its square where it lies above the mean.
// test/bench/dtmf fits them to half of its training corpus and prints this table.
var (
	featureMean  = [features]float64{-1.674, -1.657, 0.200, 0.144, -1.689, -1.460, 0.335, 0.985, 0.049}
	featureScale = [features]float64{0.652, 0.686, 0.222, 0.219, 0.358, 0.391, 1.149, 0.796, 0.027}
	weight       = [features]float64{0.000, 0.000, 0.000, -2.548, 0.000, -1.767, 0.000, -2.289, 0.000}
	weightSquare = [features]float64{-0.514, 0.000, -0.155, 0.000, 0.000, -0.093, 0.000, -0.499, 0.000}
	weightBias   = 4.147
)

func score(x *[features]float64) float64 {
	z := weightBias
	for i := range x {
		u := min((x[i]-featureMean[i])/featureScale[i], 4)
		z += weight[i] * u
		if u > 0 {
			z += weightSquare[i] * u * u
		}
	}
	return z
}
