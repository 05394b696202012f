package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
)

// TestMain lets the test binary be the server that the program starts.
func TestMain(m *testing.M) {
	if os.Getenv(serveVariable) != "" {
		exit(serve(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// tinyPlan does minRounds of everything, and hardly anything in them.
func tinyPlan() plan { return plan{slice: 100 * time.Microsecond} }

// TestProgram runs all of it, which checks every contestant, and looks at what
// it writes. How long anything took is nobody's business here.
func TestProgram(t *testing.T) {
	report, err := measureAll(tinyPlan(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	docs := t.TempDir()
	page := filepath.Join(docs, "performance.md")
	if err := os.WriteFile(page, []byte("above\n"+beginMarker+"old\n"+endMarker+"below\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(docs, "images"), 0o755); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	results := filepath.Join(docs, "results.json")
	if err := report.write(&out, results, docs); err != nil {
		t.Fatal(err)
	}
	t.Run("results", func(t *testing.T) { checkResults(t, report) })
	t.Run("text", func(t *testing.T) { checkText(t, out.String()) })
	t.Run("json", func(t *testing.T) { checkJSON(t, read(t, results), report) })
	t.Run("page", func(t *testing.T) { checkPage(t, read(t, page)) })
	t.Run("picture", func(t *testing.T) { checkPicture(t, read(t, filepath.Join(docs, "images", "performance.svg"))) })
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// checkResults wants every contestant with every algorithm that it has.
func checkResults(t *testing.T, report *Report) {
	signers := []string{rawName, "Writ", "cristalhq", "golang-jwt", "go-jose", "jwx"}
	for _, alg := range []jwk.Algorithm{"HS256", "RS256", "PS256", "ES256", "EdDSA"} {
		verifiers := slices.Concat(signers, []string{"go-oidc"})
		if alg == "HS256" {
			verifiers = signers
		}
		for _, name := range verifiers {
			checkResult(t, report, "verify", alg, name)
		}
		for _, name := range signers {
			if name != "cristalhq" || alg != "PS256" {
				checkResult(t, report, "sign", alg, name)
			}
		}
	}
	for _, alg := range []jwk.Algorithm{"RS256", "ES256", "EdDSA"} {
		checkResult(t, report, "verify", alg, "Writ with fast.Prepare")
	}
	if len(report.Guard) != 7 || len(report.Route) != 3 {
		t.Errorf("%d results of the guard, %d of routes, want 7 and 3", len(report.Guard), len(report.Route))
	}
}

func checkResult(t *testing.T, report *Report, operation string, alg jwk.Algorithm, name string) {
	t.Helper()
	x := report.find(operation, alg, name)
	if x == nil {
		t.Errorf("%s does not %s %s", name, operation, alg)
		return
	}
	if x.Minimum <= 0 || x.Median < x.Minimum || x.Ratio <= 0 || x.MedianRatio <= 0 {
		t.Errorf("%s, %s %s: impossible numbers: %+v", name, operation, alg, *x)
	}
	if name == rawName && (x.Ratio != 1 || x.MedianRatio != 1) {
		t.Errorf("%s %s: raw cryptography is %v and %v times itself", operation, alg, x.Ratio, x.MedianRatio)
	}
}

func checkText(t *testing.T, text string) {
	for _, want := range []string{
		"Verify and validate, µs (× raw cryptography)\n", "Sign, µs (× raw cryptography)\n",
		"HS256", "RS256", "PS256", "ES256", "EdDSA", "raw cryptography", "Writ with fast.Prepare",
		"Verify, a known token", "the same behind a guard", "Goals\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q", want)
		}
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Errorf("the text has numbers that are none:\n%s", text)
	}
}

func checkJSON(t *testing.T, text string, want *Report) {
	var got Report
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Results, want.Results) {
		t.Errorf("the file has other results: %v, want %v", got.Results, want.Results)
	}
}

func checkPage(t *testing.T, page string) {
	if !strings.HasPrefix(page, "above\n"+beginMarker+"Measured on ") || !strings.HasSuffix(page, "\n"+endMarker+"below\n") {
		t.Errorf("the page's own text has not stayed around the tables:\n%s", page)
	}
	if strings.Contains(page, "old") {
		t.Error("the tables from before are there still")
	}
	columns := 0
	for line := range strings.Lines(page) {
		switch n := strings.Count(line, "|"); {
		case n == 0:
			columns = 0
		case columns == 0:
			columns = n
		case n != columns:
			t.Errorf("a row of %d columns in a table of %d: %s", n-1, columns-1, line)
		}
	}
}

func checkPicture(t *testing.T, picture string) {
	d := xml.NewDecoder(strings.NewReader(picture))
	bars := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	// Six for each algorithm, go-oidc for four of them, a prepared key for three
	// at least, and three routes.
	if want := 5*6 + 4 + 3 + 3; bars < want {
		t.Errorf("%d bars in the picture, want %d", bars, want)
	}
}

// TestContestantsAreChecked shows that one that cuts corners isn't measured.
func TestContestantsAreChecked(t *testing.T) {
	m, err := newMaterial(jwk.HS256)
	if err != nil {
		t.Fatal(err)
	}
	good, err := enterWrit(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := good.check(m); err != nil {
		t.Fatalf("an honest contestant: %v", err)
	}
	tokens, err := m.badTokens()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range tokens {
		lax := &contestant{verify: func(token string) (facts, error) {
			if token == bad.token {
				return facts{}, nil
			}
			return good.verify(token)
		}}
		if err := lax.check(m); err == nil || !strings.Contains(err.Error(), bad.name) {
			t.Errorf("one that accepts %s: check says %v", bad.name, err)
		}
	}
	lazy := &contestant{verify: func(token string) (facts, error) {
		f, err := good.verify(token)
		f.roles = nil
		return f, err
	}}
	if err := lazy.check(m); err == nil {
		t.Error("one that does not read roles passes the check")
	}
	other := *m
	other.claims.Subject = "somebody else"
	wrong, err := enterWrit(&other)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&contestant{sign: wrong.sign}).check(m); err == nil {
		t.Error("one that signs other claims passes the check")
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		numbers []float64
		want    float64
	}{
		{[]float64{7}, 7},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 9, 2}, 3},
	} {
		if got := median(c.numbers); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.numbers, got, c.want)
		}
	}
}

func TestGoals(t *testing.T) {
	report := &Report{Results: []Result{
		{Operation: opVerify, Algorithm: jwk.HS256, Contestant: rawName, Minimum: 400, Ratio: 1},
		{Operation: opVerify, Algorithm: jwk.HS256, Contestant: ourName, Minimum: 2002, Ratio: 5.004, Allocs: 6},
		{Operation: opVerify, Algorithm: jwk.HS256, Contestant: "jwx", Minimum: 2001, Ratio: 5.003},
	}}
	want := []goal{
		{"verify HS256, Writ", "≤ 5.00×", "5.00×", true},
		{"verify HS256, allocations", "≤ 5", "6", false},
		{"verify HS256, µs, faster than each other library", "< 2.00", "2.00", false},
	}
	if got := report.goals(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"-fast"}, {"docs"}} {
		if err := run(args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v is taken for arguments", args)
		}
	}
	report := &Report{TokenBytes: map[jwk.Algorithm]int{jwk.HS256: 1}}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "performance.md"), []byte("no markers"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := report.writeDocs(dir); err == nil || !strings.Contains(err.Error(), "bench: begin") {
		t.Errorf("a page without markers: %v, want an error that names them", err)
	}
}
