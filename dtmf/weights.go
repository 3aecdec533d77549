package dtmf

// The log odds that a run is a key, from its features, each brought to mean 0 and
// deviation 1: a weight on it, and one on its square where it lies above the mean.
// test/bench/dtmf fits them to its training corpus and prints this table.
var (
	featureMean  = [features]float64{-1.686, -1.669, 0.215, 0.158, -1.670, -1.440, 0.354, 1.022, 0.049}
	featureScale = [features]float64{0.649, 0.687, 0.232, 0.228, 0.366, 0.394, 1.192, 0.814, 0.028}
	weight       = [features]float64{-0.843, 1.324, -0.946, -3.037, -0.595, -1.912, 0.240, -3.103, -0.520}
	weightSquare = [features]float64{-1.307, 0.197, 1.056, -0.005, 1.845, -2.603, 0.048, -0.141, 0.037}
	weightBias   = 2.812
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
