package oauth_test

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// Whether an account exists is told neither by what the answer to a wrong
// password says nor by how long it takes. The throttle is lifted by moving the
// server's clock, which has nothing to do with the time that is measured.
//
// Times are compared by rank (Mann and Whitney), which no outlier disturbs. The
// short form tries 15 of each in turns and fails only if the two have fallen
// apart, 19 pairs of 20 in order: where they are alike that happens by chance
// once in a hundred thousand runs, and a hash that is left out makes it certain. With
// TEST_LONG=1 200 tries of each must not differ at all (p < 0.001), which wants
// a machine that does nothing else.
func TestSignInTellsNobodyWhoExists(t *testing.T) {
	s := start(t)
	s.person()
	s.admin("POST", "/v1/admin/users", `{"email":"off@example.com","password":"`+password+`","disabled":true}`).is(201)
	tries, enough := 15, 4.2
	if os.Getenv("TEST_LONG") == "1" {
		tries, enough = 200, 3.3
	}
	b := s.browser()
	names := []string{ada, "ida@example.com", "off@example.com"}
	times := map[string][]time.Duration{}
	var said string
	for range tries {
		for _, name := range names {
			s.advance(time.Hour)
			begun := time.Now()
			a := b.post("/login", "login", name, "password", "wrong")
			times[name] = append(times[name], time.Since(begun))
			told := strings.ReplaceAll(a.page(422, "Sign in").text, name, "")
			if said == "" {
				said = told
			}
			if told != said {
				t.Fatalf("%s is answered\n%s\nand the first\n%s", name, told, said)
			}
		}
	}
	for _, name := range names[1:] {
		z := rankTest(times[ada], times[name])
		t.Logf("%s: z = %.2f, medians %v and %v", name, z, median(times[ada]), median(times[name]))
		if math.Abs(z) > enough {
			t.Errorf("how long it takes tells that %s is no account: z = %.2f", name, z)
		}
	}
}

// rankTest is the standardised U of Mann and Whitney: how far the ranks of a and
// b among all are from those of one distribution.
func rankTest(a, b []time.Duration) float64 {
	var u float64
	for _, x := range a {
		for _, y := range b {
			switch {
			case x > y:
				u++
			case x == y:
				u += 0.5
			}
		}
	}
	n, m := float64(len(a)), float64(len(b))
	return (u - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
}

func TestRankTest(t *testing.T) {
	low, high := []time.Duration{1, 2, 3, 4}, []time.Duration{5, 6, 7, 8}
	if z := rankTest(high, low); math.Abs(z-2.309) > 0.001 { // U = 16 of 16: (16-8)/√12
		t.Errorf("z = %v", z)
	}
	if z := rankTest(low, low); z != 0 {
		t.Errorf("of the same: z = %v", z)
	}
}

func median(times []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(times))[len(times)/2]
}
