package strictjson_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/writ-auth/writ/internal/strictjson"
)

func TestInt64(t *testing.T) {
	for token, want := range map[string]int64{
		"0": 0, "-0": 0, "7": 7, "-12": -12, "1.0": 1, "-1.50e1": -15, "1e3": 1000, "1200e-2": 12, "0.0e-5": 0, "0e99": 0,
		"9223372036854775807":     9223372036854775807,
		"-9223372036854775808":    -9223372036854775808,
		"9.223372036854775807e18": 9223372036854775807,
		"9007199254740993":        9007199254740993, // 2^53+1: float64 can't hold it
	} {
		if got, err := strictjson.Int64(token); err != nil || got != want {
			t.Errorf("Int64(%s) = %d, %v; want %d", token, got, err, want)
		}
	}
	for _, token := range []string{
		"1.5", "1e-1", "9223372036854775808", "-9223372036854775809", "1e19", "1e308", "1e999999999", "123e-2", "1e-9223372036854775808",
		"1e99999999999999999999",
	} {
		if got, err := strictjson.Int64(token); !errors.Is(err, strictjson.ErrRange) {
			t.Errorf("Int64(%s) = %d, %v; want ErrRange", token, got, err)
		}
	}
}

func TestUint64(t *testing.T) {
	for token, want := range map[string]uint64{"0": 0, "-0": 0, "-0.0": 0, "18446744073709551615": 18446744073709551615, "1.8e19": 18000000000000000000} {
		if got, err := strictjson.Uint64(token); err != nil || got != want {
			t.Errorf("Uint64(%s) = %d, %v; want %d", token, got, err, want)
		}
	}
	for _, token := range []string{"-1", "18446744073709551616", "0.5", "1e20"} {
		if got, err := strictjson.Uint64(token); !errors.Is(err, strictjson.ErrRange) {
			t.Errorf("Uint64(%s) = %d, %v; want ErrRange", token, got, err)
		}
	}
}

func TestFloat64(t *testing.T) {
	for token, want := range map[string]float64{"0.5": 0.5, "-1e3": -1000, "1e-400": 0} {
		if got, err := strictjson.Float64(token); err != nil || got != want {
			t.Errorf("Float64(%s) = %g, %v; want %g", token, got, err, want)
		}
	}
	if got, err := strictjson.Float64("-1e309"); !errors.Is(err, strictjson.ErrRange) {
		t.Errorf("Float64(-1e309) = %g, %v; want ErrRange", got, err)
	}
}

func TestReadDigits(t *testing.T) {
	for text, want := range map[string]int64{
		`0,`: 0, `7]`: 7, ` 12}`: 12, `1767225600}`: 1767225600, `999999999999999,`: 999999999999999,
		// Whatever else, ReadNumber decides.
		`0`: -1, `12`: -1, `00,`: -1, `01,`: -1, `-1,`: -1, `1.0,`: -1, `1e3,`: -1, `1 ,`: -1, `1000000000000000,`: -1,
		`00000000000000000000001,`: -1, `99999999999999999999999999,`: -1, `"1",`: -1, `null`: -1, `x`: -1, ``: -1, `1x,`: -1,
	} {
		r := strictjson.NewReader(text)
		got, ok := r.ReadDigits()
		if ok != (want >= 0) || (ok && got != want) {
			t.Errorf("%q: %d, %v; want %d", text, got, ok, want)
		}
		if ok && r.Offset() != len(text)-1 {
			t.Errorf("%q: read to byte %d", text, r.Offset())
		}
		if !ok {
			if number, err := r.ReadNumber(); err == nil && !strings.HasPrefix(strings.TrimSpace(text), number) {
				t.Errorf("%q: what was not read is lost: %q", text, number)
			}
		}
	}
}
