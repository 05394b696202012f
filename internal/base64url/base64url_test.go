package base64url_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/writ-auth/writ/internal/base64url"
)

func TestDecodeAccepts(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"Zg", "f"},
		{"Zm8", "fo"},
		{"Zm9v", "foo"},
		{"Zm9vYg", "foob"},
		{"-_-_", "\xfb\xff\xbf"},
		{"AAAA", "\x00\x00\x00"},
	} {
		got, err := base64url.Decode(tt.in)
		if err != nil || string(got) != tt.want {
			t.Errorf("Decode(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
		s, err := base64url.DecodeString(tt.in)
		if err != nil || s != tt.want {
			t.Errorf("DecodeString(%q) = %q, %v; want %q", tt.in, s, err, tt.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"one character":         "Z",
		"five characters":       "Zm9vY",
		"padding":               "Zg==",
		"padding after three":   "Zm8=",
		"standard alphabet +":   "ab+c",
		"standard alphabet /":   "ab/c",
		"line feed inside":      "Zm\n9v",
		"line feed at the end":  "Zm9v\n",
		"carriage return":       "\rZm9v",
		"CR LF as a whole unit": "\r\n\r\n",
		"space":                 "Zm 9v",
		"NUL":                   "Zm9\x00",
		"high byte":             "Zm9\xff",
		"letter outside ASCII":  "Zmé",
		"unused bits of 1 byte": "Zh",
		"unused bits of 2":      "Zm9",
		"dot":                   "Zm.v",
	} {
		if got, err := base64url.Decode(in); !errors.Is(err, base64url.ErrInvalid) || got != nil {
			t.Errorf("%s: Decode(%q) = %q, %v; want ErrInvalid", name, in, got, err)
		}
		if got, err := base64url.DecodeString(in); !errors.Is(err, base64url.ErrInvalid) || got != "" {
			t.Errorf("%s: DecodeString(%q) = %q, %v; want ErrInvalid", name, in, got, err)
		}
	}
}

// One byte string must have one spelling: of all last characters only those
// whose unused bits are zero may pass.
func TestDecodeIsCanonical(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for prefix, want := range map[string]int{"A": 4, "AA": 16, "AAA": 64} {
		accepted := 0
		for _, c := range alphabet {
			if _, err := base64url.Decode(prefix + string(c)); err == nil {
				accepted++
			}
		}
		if accepted != want {
			t.Errorf("after %q %d characters are accepted, want %d", prefix, accepted, want)
		}
	}
}

// Long and short inputs take different steps: each place of each length must be
// read and written right, and looked at.
func TestEveryLengthAndPlace(t *testing.T) {
	data := make([]byte, 64)
	for i := range data {
		data[i] = byte(i*37 + 11)
	}
	for n := range len(data) {
		want := base64.RawURLEncoding.EncodeToString(data[:n])
		if got := base64url.Encode(data[:n]); got != want {
			t.Fatalf("Encode of %d bytes = %q, want %q", n, got, want)
		}
		if got, err := base64url.Decode(want); err != nil || !bytes.Equal(got, data[:n]) {
			t.Fatalf("Decode(%q) = %x, %v; want %x", want, got, err, data[:n])
		}
		for i := range len(want) {
			for _, c := range []string{"=", "+", "\n", "\x00", "\xff"} {
				bad := want[:i] + c + want[i+1:]
				if _, err := base64url.Decode(bad); !errors.Is(err, base64url.ErrInvalid) {
					t.Fatalf("Decode(%q): %v, want ErrInvalid", bad, err)
				}
			}
		}
	}
}

// What a byte stands for is looked up: one wrong entry, and forged bytes would
// pass for others.
func TestEveryByteAtEveryPlace(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	all := strings.Repeat("A", 14) // eight characters, four, and two of which the last has unused bits
	for place := range len(all) - 1 {
		for c := range 256 {
			in := all[:place] + string([]byte{byte(c)}) + all[place+1:]
			got, err := base64url.Decode(in)
			value := strings.IndexByte(alphabet, byte(c))
			if (err == nil) != (value >= 0) {
				t.Fatalf("Decode(%q): %v", in, err)
			}
			if err != nil {
				continue
			}
			want := new(big.Int).Lsh(big.NewInt(int64(value)), uint(6*(len(all)-1-place)-4))
			if new(big.Int).SetBytes(got).Cmp(want) != 0 || len(got) != 10 {
				t.Fatalf("Decode(%q) = %x, want %x", in, got, want)
			}
		}
	}
}

func TestAppend(t *testing.T) {
	dst, err := base64url.AppendDecode([]byte("x:"), "Zm9v")
	if err != nil || string(dst) != "x:foo" {
		t.Errorf("AppendDecode = %q, %v; want x:foo", dst, err)
	}
	roomy := append(make([]byte, 0, 64), "x:"...)
	dst, err = base64url.AppendDecode(roomy, "Zm9v")
	if err != nil || string(dst) != "x:foo" || &dst[0] != &roomy[0] {
		t.Errorf("AppendDecode with room = %q, %v; want x:foo in place", dst, err)
	}
	dst, err = base64url.AppendDecode([]byte("x:"), "Zm9*")
	if !errors.Is(err, base64url.ErrInvalid) || string(dst) != "x:" {
		t.Errorf("AppendDecode of a bad text = %q, %v; want x: and ErrInvalid", dst, err)
	}
	if got := base64url.AppendEncode([]byte("x:"), []byte("foob")); string(got) != "x:Zm9vYg" {
		t.Errorf("AppendEncode = %q, want x:Zm9vYg", got)
	}
}

func TestAllocations(t *testing.T) {
	text, buf := strings.Repeat("Zm9v", 100), make([]byte, 0, 400)
	got := testing.AllocsPerRun(100, func() {
		if _, err := base64url.AppendDecode(buf, text); err != nil {
			t.Error(err)
		}
	})
	if got != 0 {
		t.Errorf("AppendDecode with room allocates %v times, want 0", got)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"", "Zg", "Zm8", "Zm9v", "Zh", "Zm\n9v", "Zg==", "-_", "Zm9vYmFyZm9vYmFyZm9vYmE", "Zm9vYmFyZm9vYmFyZm9=YmE"} {
		f.Add(s)
	}
	std := base64.RawURLEncoding.Strict()
	f.Fuzz(func(t *testing.T, in string) {
		want, wantErr := std.DecodeString(in)
		if strings.ContainsAny(in, "\r\n") {
			wantErr = errors.New("the standard library skips CR and LF")
		}
		got, err := base64url.Decode(in)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("Decode(%q): %v; encoding/base64: %v", in, err, wantErr)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("Decode(%q) = %x, want %x", in, got, want)
		}
		if back := base64url.Encode(got); back != in {
			t.Fatalf("Encode(Decode(%q)) = %q", in, back)
		}
	})
}

func FuzzEncode(f *testing.F) {
	f.Add([]byte("foob"))
	f.Add([]byte("foobarfoobarfooba"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, want := base64url.Encode(in), base64.RawURLEncoding.EncodeToString(in)
		if got != want {
			t.Fatalf("Encode(%x) = %q, want %q", in, got, want)
		}
		if len(got) != base64url.EncodedLen(len(in)) || base64url.DecodedLen(len(got)) != len(in) {
			t.Fatalf("lengths of %d bytes: encoded %d, EncodedLen %d", len(in), len(got), base64url.EncodedLen(len(in)))
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	text, buf := strings.Repeat("Zm9v", 95), make([]byte, 0, 300)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		base64url.AppendDecode(buf, text)
	}
}

func BenchmarkEncode(b *testing.B) {
	data, buf := make([]byte, 285), make([]byte, 0, 400)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		base64url.AppendEncode(buf, data)
	}
}
