package jwt

import (
	"strconv"
	"testing"
)

func TestNames(t *testing.T) {
	var n names
	known := []string{"", "a", "b", "ab", "ba", "aba", "\x00", "é"}
	for i := range 300 { // more than there are buckets
		known = append(known, "claim"+strconv.Itoa(i))
	}
	for i, name := range known {
		n.add(name).field = i
	}
	n.add("b").bit = 1 // the same slot again
	for i, name := range known {
		if s := n.get(name); s == nil || s.field != i || (s.bit == 1) != (name == "b") {
			t.Errorf("get(%q) = %+v, want field %d", name, s, i)
		}
	}
	for _, name := range []string{"A", "claim300", "claim", "c", "aa", "abc", "\x01"} {
		if s := n.get(name); s != nil {
			t.Errorf("get(%q) = %+v, want none", name, s)
		}
	}
}
