package strictjson_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/writ-auth/writ/internal/strictjson"
)

func TestAppendString(t *testing.T) {
	for in, want := range map[string]string{
		"":                       `""`,
		"plain é 😀":              `"plain é 😀"`,
		"a\"b\\c/d":              `"a\"b\\c/d"`,
		"\n\r\t\x00\x08\x1f\x7f": `"\n\r\t\u0000\u0008\u001f` + "\x7f" + `"`,
		"<script>&\u2028":        "\"<script>&\u2028\"",
		"ends with an escape\n":  `"ends with an escape\n"`,
	} {
		got, err := strictjson.AppendString([]byte("x"), in)
		if err != nil || string(got) != "x"+want {
			t.Errorf("AppendString(%q) = %s, %v; want x%s", in, got, err, want)
		}
	}
	got, err := strictjson.AppendString([]byte("x"), "a\xff")
	if !errors.Is(err, strictjson.ErrUTF8) || string(got) != "x" {
		t.Errorf("AppendString of invalid UTF-8 = %q, %v; want x and ErrUTF8", got, err)
	}
}

// Strings are looked at in words of eight bytes and a rest: what needs care must
// be seen wherever it stands.
func TestAppendStringSeesEveryPlace(t *testing.T) {
	for special, want := range map[string]string{
		`"`: `\"`, `\`: `\\`, "\n": `\n`, "\x00": `\u0000`, "\x1f": `\u001f`, "\x7f": "\x7f", "é": "é", "\u2028": "\u2028", "\xff": "", "\xc3": "",
	} {
		for n := range 26 {
			before, after := strings.Repeat("a", n), strings.Repeat("~", 25-n)
			got, err := strictjson.AppendString([]byte("x"), before+special+after)
			switch {
			case want == "" && (!errors.Is(err, strictjson.ErrUTF8) || string(got) != "x"):
				t.Errorf("%q after %d bytes: %s, %v, want ErrUTF8", special, n, got, err)
			case want != "" && (err != nil || string(got) != `x"`+before+want+after+`"`):
				t.Errorf("%q after %d bytes: %s, %v", special, n, got, err)
			}
		}
	}
}
