package device

import (
	"strings"
	"testing"
)

func TestUserCode(t *testing.T) {
	seen := map[string]bool{}
	letters := map[rune]int{}
	const n = 5000
	for range n {
		code := newUserCode()
		if len(code) != 8 || strings.ContainsAny(code, "AEIOUY0123456789") {
			t.Fatalf("code %q", code)
		}
		if seen[code] {
			t.Fatalf("%s came twice among %d", code, n)
		}
		seen[code] = true
		for _, c := range code {
			letters[c]++
		}
		if back, ok := parseUserCode(Readable(code)); !ok || back != code {
			t.Fatalf("%s reads as %s", Readable(code), back)
		}
	}
	if len(letters) != 20 {
		t.Errorf("%d letters", len(letters))
	}
	for c, got := range letters { // 2,000 are expected of each, ±44 one in three times
		if got < 1700 || got > 2300 {
			t.Errorf("%c came %d times of %d", c, got, 8*n)
		}
	}
}

func TestParseUserCode(t *testing.T) {
	for typed, want := range map[string]string{
		"WDJB-MJHT": "WDJBMJHT", "wdjbmjht": "WDJBMJHT", " wdjb mjht ": "WDJBMJHT", "W-D-J-B-M-J-H-T": "WDJBMJHT", "wdjb\u2013mjht": "WDJBMJHT",
		"": "", "WDJB-MJH": "", "WDJB-MJHTT": "", "WDJB-MJHA": "", "WDJB-MJH1": "", "WDJB_MJHT": "", "WDJBMJHÄ": "", "\x00DJBMJHT": "",
		strings.Repeat("-", 60) + "WDJBMJHT": "",
	} {
		if got, ok := parseUserCode(typed); got != want || ok != (want != "") {
			t.Errorf("%q reads as %q, %v", typed, got, ok)
		}
	}
}

func FuzzParseUserCode(f *testing.F) {
	f.Add("WDJB-MJHT")
	f.Add("wdjb\u2010mjht")
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := parseUserCode(typed)
		if ok != (len(code) == 8) {
			t.Fatalf("%q reads as %q, %v", typed, code, ok)
		}
		if again, same := parseUserCode(code); ok && (!same || again != code) {
			t.Fatalf("%q reads as %q, and that as %q", typed, code, again)
		}
	})
}
