package dtmf

// The log odds that a run is a key, from its features, each brought to mean 0 and
// deviation 1: a weight on it, and one on its square where it lies above the mean.
// test/bench/dtmf fits them to its training corpus and prints this table.
var (
	featureMean  = [features]float64{-1.670, -1.644, 0.196, 0.137, -1.683, -1.452, 0.507, 1.047, 0.050, -1.975}
	featureScale = [features]float64{0.662, 0.722, 0.220, 0.212, 0.378, 0.413, 1.399, 0.796, 0.029, 1.250}
	weight       = [features]float64{0.000, 0.000, -0.078, -3.388, 0.000, -2.084, 0.000, -3.747, -0.389, -2.681}
	weightSquare = [features]float64{0.000, -0.843, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, -0.198}
	weightBias   = 5.970
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
