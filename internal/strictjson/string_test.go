package strictjson_test

import (
	"errors"
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
