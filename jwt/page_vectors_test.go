package jwt_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// tally is what became of the cases of a suite.
type tally struct {
	cases, accepted int
	otherwise       []string // those decided otherwise than their makers say
	fooled          []string // of these, the ones that are accepted
}

func (c *tally) add(id string, says, accepted bool) {
	c.cases++
	if accepted {
		c.accepted++
	}
	if says != accepted {
		c.otherwise = append(c.otherwise, id)
	}
	if accepted && !says {
		c.fooled = append(c.fooled, id)
	}
}

// addEither is add for a case that its makers leave open.
func (c *tally) addEither(id string, accepted bool) { c.add(id, accepted, accepted) }

// suite is a row of the page: files, from the repository's root, and the cases
// in them.
type suite struct {
	files string
	run   func(*testing.T, []string, *tally)
}

// TestVectorsPage runs all vectors and holds docs/security/vectors.md to what
// became of them: how many there are, how many are accepted, and each that is
// decided otherwise than its makers say.
func TestVectorsPage(t *testing.T) {
	text := string(must[[]byte](t)(os.ReadFile("../docs/security/vectors.md")))
	rows, deviations := vectorRows(text), vectorDeviations(text)
	for _, s := range slices.Concat(tokenSuites(), keySuites(), otherSuites()) {
		var got tally
		s.run(t, vectorFiles(t, s.files), &got)
		want := fmt.Sprintf("%d cases, %d accepted, %d refused, %d otherwise", got.cases, got.accepted, got.cases-got.accepted, len(got.otherwise))
		if rows[s.files] != want {
			t.Errorf("%s: the page says %q; it is %q", s.files, rows[s.files], want)
		}
		if len(got.fooled) > 0 {
			t.Errorf("%s: %v are accepted", s.files, got.fooled)
		}
		if problem := compareDeviations(deviations[s.files], got.otherwise); problem != "" {
			t.Errorf("%s: the page %s", s.files, problem)
		}
		delete(rows, s.files)
		delete(deviations, s.files)
	}
	if len(rows)+len(deviations) > 0 {
		t.Errorf("the page tells of vectors that are not run: %v %v", rows, deviations)
	}
}

// TestVectorsAreAllRun: no file lies in a folder of vectors unread. Keys that
// come with tokens are read with these.
func TestVectorsAreAllRun(t *testing.T) {
	var patterns []string
	for _, s := range slices.Concat(tokenSuites(), keySuites(), otherSuites()) {
		patterns = append(patterns, s.files)
	}
	patterns = append(patterns, "jwt/testdata/josekit/*.jwk")
	for _, folder := range []string{"jwt/testdata", "jwk/testdata", "internal/strictjson/testdata", "internal/base64url/testdata"} {
		err := filepath.WalkDir(filepath.Join("..", folder), func(file string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) || err == nil && d.IsDir() && d.Name() == "fuzz" {
				return fs.SkipDir
			}
			if err != nil || d.IsDir() || d.Name() == "NOTICE" {
				return err
			}
			name := filepath.ToSlash(strings.TrimPrefix(file, ".."+string(filepath.Separator)))
			if !slices.ContainsFunc(patterns, func(p string) bool { ok, _ := path.Match(p, name); return ok }) {
				t.Errorf("%s is in no suite", name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// vectorFiles lists the files of a suite, in order.
func vectorFiles(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(pattern)))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no such files (%v)", pattern, err)
	}
	slices.Sort(files)
	return files
}

// vectorRows reads the table of suites: | `files` | … | cases | accepted | refused | otherwise |.
func vectorRows(text string) map[string]string {
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|[^|]*\\|[^|]*\\| ([0-9,]+) \\| ([0-9,]+) \\| ([0-9,]+) \\| ([0-9,]+) \\|$").FindAllStringSubmatch(text, -1) {
		n := func(i int) string { return strings.ReplaceAll(m[i], ",", "") }
		rows[m[1]] = fmt.Sprintf("%s cases, %s accepted, %s refused, %s otherwise", n(2), n(3), n(4), n(5))
	}
	return rows
}

// vectorDeviations reads the other table: | `files` | cases | reason |, where
// the cases are named, or are "all 41".
func vectorDeviations(text string) map[string][]string {
	named := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\| [^|]+ \\|$").FindAllStringSubmatch(text, -1) {
		named[m[1]] = append(named[m[1]], strings.Split(m[2], ", ")...)
	}
	return named
}

func compareDeviations(page, got []string) string {
	if len(page) == 1 && strings.HasPrefix(page[0], "all ") {
		if n, err := strconv.Atoi(page[0][len("all "):]); err != nil || n != len(got) {
			return fmt.Sprintf("says %s; they are %d", page[0], len(got))
		}
		return ""
	}
	page, got = slices.Sorted(slices.Values(page)), slices.Sorted(slices.Values(got))
	if !slices.Equal(page, got) {
		return fmt.Sprintf("names %s; they are %s", strings.Join(page, ", "), strings.Join(got, ", "))
	}
	return ""
}
