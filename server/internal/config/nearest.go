package config

import "strings"

// meant ends the sentence "there is no such …": with the name that was most
// likely meant, and where all of them are.
func meant(given string, names []string) string {
	const all = "writ serve --help lists them"
	if name := nearest(given, names); name != "" {
		return ", did you mean " + name + "? " + all
	}
	return "; " + all
}

// nearest is the name that given is a slip for, "" if none is near: up to two
// letters, and no more than a third of them, are wrong. Case and the choice of
// - or _ are no letters.
func nearest(given string, names []string) string {
	const most = 100 // a longer text is no slip, and distance takes its time
	if len(given) > most {
		return ""
	}
	plain := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "-") }
	least, best := 3, ""
	for _, name := range names {
		d := distance(plain(given), plain(name))
		if d < least && d*3 <= len(name) {
			least, best = d, name
		}
	}
	return best
}

// distance is how many letters were added, left out or replaced, or swapped with
// the next one, to make b of a.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1) // rows[i][j]: of a[:i] and b[:j]
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			other := 1
			if a[i-1] == b[j-1] {
				other = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+other)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
