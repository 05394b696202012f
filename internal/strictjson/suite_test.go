package strictjson_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/writ-auth/writ/internal/strictjson"
)

// What JSONTestSuite leaves to the implementation and this package accepts:
// numbers that fit no integer or underflow to zero are still one value to every
// reader of float64. All other "i_" files are refused.
var acceptedChoices = []string{
	"i_number_double_huge_neg_exp.json",
	"i_number_real_underflow.json",
	"i_number_too_big_neg_int.json",
	"i_number_very_big_negative_int.json",
}

// Files that must parse by RFC 8259 and that a strict reader refuses, for their
// names are duplicates.
var refusedDuplicates = []string{
	"y_object_duplicated_key.json",
	"y_object_duplicated_key_and_value.json",
}

func TestJSONTestSuite(t *testing.T) {
	files, err := filepath.Glob("testdata/jsontestsuite/*.json")
	if err != nil || len(files) != 211 {
		t.Fatalf("found %d files (%v), want 211", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		want := strings.HasPrefix(name, "y_") && !slices.Contains(refusedDuplicates, name) || slices.Contains(acceptedChoices, name)
		if err := strictjson.Check(data); (err == nil) != want {
			t.Errorf("%s: Check = %v, want accepted: %v", name, err, want)
		}
	}
}
