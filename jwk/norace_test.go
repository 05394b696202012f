//go:build !race

package jwk_test

// raceEnabled: see race_test.go.
const raceEnabled = false
