//go:build race

package jwk_test

// raceEnabled: under the race detector sync.Pool drops entries at random.
const raceEnabled = true
