package fast

import "os"

// rounds returns how often a test tries something: the first number, or the
// second if the environment has TEST_LONG=1, as for a release.
func rounds(short, long int) int {
	if os.Getenv("TEST_LONG") == "1" {
		return long
	}
	return short
}
