package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/cli"
)

// noon is the time of every test here: 2026-01-02 12:00:00 UTC.
const noon = 1767355200

// run carries out a command line at noon.
func run(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = cli.Run(context.Background(), cli.Environment{
		Args: args, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs,
		Now: func() time.Time { return time.Unix(noon, 0) },
	})
	return status, out.String(), errs.String()
}

// TestDatesForPeople decodes tokens whose dates lie around noon.
func TestDatesForPeople(t *testing.T) {
	for _, c := range []struct {
		claim string
		value any
		want  string
	}{
		{"exp", noon, "1767355200  2026-01-02 12:00:00 UTC (now)"},
		{"exp", noon + 1, "1767355201  2026-01-02 12:00:01 UTC (in 1 second)"},
		{"exp", noon + 59, "1767355259  2026-01-02 12:00:59 UTC (in 59 seconds)"},
		{"exp", noon + 60, "1767355260  2026-01-02 12:01:00 UTC (in 1 minute)"},
		{"iat", noon - 3599, "1767351601  2026-01-02 11:00:01 UTC (59 minutes ago)"},
		{"nbf", noon - 3600, "1767351600  2026-01-02 11:00:00 UTC (1 hour ago)"},
		{"auth_time", noon - 86400*3, "1767096000  2025-12-30 12:00:00 UTC (3 days ago)"},
		{"iat", noon + 0.5, "1767355200.5  2026-01-02 12:00:00 UTC (in 1 second)"},
		{"exp", "soon", "soon"},          // no date, and shown as it is
		{"exp", 1e13, "10000000000000"},  // milliseconds
		{"count", noon, "1767355200"},    // not a claim with a date
		{"list", []string{"a"}, "a"},     //
		{"map", map[string]int{}, "{}"},  //
		{"text", "two\nlines", `two\n`},  // as an escape, on one line
		{"text", "\u202etxet", `\u202e`}, // text that would read backwards
	} {
		payload, err := json.Marshal(map[string]any{c.claim: c.value})
		if err != nil {
			t.Fatal(err)
		}
		token := "eyJhbGciOiJFUzI1NiJ9." + encode(payload) + ".AA"
		status, out, errs := run(t, token, "token", "decode")
		if status != 0 || !strings.Contains(out, "  "+c.claim+"  "+c.want) {
			t.Errorf("%s %v: status %d, %s%s, want a line with %q", c.claim, c.value, status, out, errs, c.want)
		}
	}
}

// encode is base64url without padding, written out to depend on nothing here.
func encode(data []byte) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var b strings.Builder
	for i := 0; i < len(data); i += 3 {
		var chunk [3]byte
		n := copy(chunk[:], data[i:])
		v := uint(chunk[0])<<16 | uint(chunk[1])<<8 | uint(chunk[2])
		for j := range n + 1 {
			b.WriteByte(letters[v>>(18-6*j)&63])
		}
	}
	return b.String()
}

func TestDecodeSecret(t *testing.T) {
	want := "\xff\xfe~some secret bytes"
	for encoding, texts := range map[string][]string{
		"base64": {"//5+c29tZSBzZWNyZXQgYnl0ZXM=", "//5+c29tZSBzZWNyZXQgYnl0ZXM", "__5-c29tZSBzZWNyZXQgYnl0ZXM"},
		"hex":    {"fffe7e736f6d6520736563726574206279746573", "FFFE7E736F6D6520736563726574206279746573"},
		"text":   {want},
	} {
		for _, text := range texts {
			if got, err := cli.DecodeSecret(text, encoding); err != nil || string(got) != want {
				t.Errorf("%s %q: %q, %v", encoding, text, got, err)
			}
		}
	}
	for _, text := range []string{"!", "abc$"} {
		if got, err := cli.DecodeSecret(text, "base64"); err == nil {
			t.Errorf("base64 %q: %q, want an error", text, got)
		}
	}
}

// TestHandlerTransport sends a request to a handler in the same process.
func TestHandlerTransport(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Seen", r.Method+" "+r.RequestURI)
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "got %s", body)
	})
	client := &http.Client{Transport: cli.HandlerTransport(h)}
	for body, want := range map[string]string{"": "got ", "tea": "got tea"} {
		res, err := client.Post("http://writ/pot?x=1", "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil || string(got) != want {
			t.Errorf("body %q, %v, want %q", got, err, want)
		}
		if res.StatusCode != http.StatusTeapot || res.Header.Get("X-Seen") != "POST /pot?x=1" {
			t.Errorf("status %d, saw %q", res.StatusCode, res.Header.Get("X-Seen"))
		}
	}
}

// FuzzPrintable checks that nothing a terminal obeys comes through, and that
// plain text is left alone.
func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"plain", "a\x1b[2J", "\u009b2J", "\u202eabc", "\xff", "tab\tnew\nline", "\U000e0001", "é日本"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := cli.Printable(s)
		if !utf8.ValidString(out) {
			t.Fatalf("%q became %q", s, out)
		}
		for _, r := range out {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Fatalf("%q became %q with %U", s, out, r)
			}
		}
		if again := cli.Printable(out); again != out {
			t.Fatalf("%q is %q the second time", out, again)
		}
		if line := cli.OneLine(s); strings.ContainsAny(line, "\r\n") {
			t.Fatalf("%q is no line: %q", s, line)
		}
	})
}

// FuzzParseMaterial checks that what is accepted as a key is exactly one kind
// of thing, and that nothing panics.
func FuzzParseMaterial(f *testing.F) {
	f.Add("", []byte(`{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}`))
	f.Add("ES256", []byte("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEwmDN6h9LkymwkCsX4mv5lNKgwnIQ\nIs18BDas7uQ4vzniTvVaGRQEmwxqQsvcNJzvxblcEfpHdI7u7ocYx7Bw+A==\n-----END PUBLIC KEY-----\n"))
	f.Add("", []byte(`{"keys":[]}`))
	f.Add("PS256", []byte(`{"kty":"RSA","n":"AQ","e":"AQAB"}`))
	f.Add("none", []byte{0x30, 0x82})
	f.Fuzz(func(t *testing.T, alg string, data []byte) {
		kinds, err := cli.ParseMaterial(jwk.Algorithm(alg), data)
		if err == nil && kinds != 1 {
			t.Fatalf("%q gives %d kinds of key", data, kinds)
		}
	})
}
