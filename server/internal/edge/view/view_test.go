package view_test

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/writ-auth/writ/server/internal/edge/view"
)

func messages(t *testing.T, language string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("messages/" + language + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]string
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// Every language says everything that English does, and fills in the same. What
// is wrong is said in English by the errors themselves.
func TestMessages(t *testing.T) {
	blank := regexp.MustCompile(`\{\d\}`)
	blanks := func(text string) []string { return slices.Sorted(slices.Values(blank.FindAllString(text, -1))) }
	english := messages(t, "en")
	for _, language := range view.Languages() {
		m := messages(t, language)
		for name := range maps.Keys(english) {
			if m[name] == "" || !slices.Equal(blanks(m[name]), blanks(english[name])) {
				t.Errorf("%s: %s is %q, in English %q", language, name, m[name], english[name])
			}
		}
		for name := range maps.Keys(m) {
			if english[name] == "" && !strings.HasPrefix(name, "error.") {
				t.Errorf("%s: %s is not in English", language, name)
			}
		}
	}
}

func TestTheme(t *testing.T) {
	const png = "\x89PNG\r\n\x1a\n"
	for name, c := range map[string]struct {
		theme view.Theme
		want  string // in the error; "": taken
	}{
		"nothing":        {view.Theme{}, ""},
		"all":            {view.Theme{Name: "Shop", Logo: []byte(png), Accent: "#7a1f5c"}, ""},
		"an SVG":         {view.Theme{Logo: []byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`)}, ""},
		"black":          {view.Theme{Accent: "#000000"}, ""},
		"just enough":    {view.Theme{Accent: "#767676"}, ""}, // 4.54 to 1
		"just too light": {view.Theme{Accent: "#777777"}, "4.5"},
		"yellow":         {view.Theme{Accent: "#ffd400"}, "contrast"},
		"a name":         {view.Theme{Accent: "red"}, "#rrggbb"},
		"not hex":        {view.Theme{Accent: "#12345g"}, "#rrggbb"},
		"a page":         {view.Theme{Logo: []byte("<html><script>")}, "logo"},
		"a large logo":   {view.Theme{Logo: []byte(png + strings.Repeat("x", view.MaxLogo))}, "256 KiB"},
	} {
		_, err := view.New(c.theme)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func show(t *testing.T, theme view.Theme) (*view.View, *httptest.ResponseRecorder) {
	t.Helper()
	v, err := view.New(theme)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := v.Show(w, httptest.NewRequest("GET", "/", nil), 200, view.Page{Name: view.SignedOut}); err != nil {
		t.Fatal(err)
	}
	return v, w
}

// The logo is served by ourselves, and allowed by the policy where there is one.
func TestThemeIsShown(t *testing.T) {
	v, w := show(t, view.Theme{Name: "Shop <1>", Logo: []byte("\x89PNG\r\n\x1a\n"), Accent: "#7a1f5c"})
	body := w.Body.String()
	logo := regexp.MustCompile(`<img src="(/assets/[^"]+)" alt="Shop &lt;1&gt;">`).FindStringSubmatch(body)
	style := regexp.MustCompile(`<link rel="stylesheet" href="([^"]+)">`).FindStringSubmatch(body)
	if logo == nil || style == nil || !strings.Contains(body, "<title>Signed out · Shop &lt;1&gt;</title>") {
		t.Fatalf("page %s", body)
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "img-src 'self';") {
		t.Errorf("policy %s", policy)
	}
	for path, want := range map[string]string{logo[1]: "image/png", style[1]: "text/css; charset=utf-8"} {
		w := httptest.NewRecorder()
		if err := v.ServeAsset(w, httptest.NewRequest("GET", path, nil)); err != nil || w.Header().Get("Content-Type") != want {
			t.Errorf("%s: %v, %v", path, err, w.Header())
		}
		if strings.HasSuffix(path, ".css") && !strings.Contains(w.Body.String(), "--accent: #7a1f5c;") {
			t.Error("the style sheet lacks the colour")
		}
	}
	if _, w := show(t, view.Theme{}); strings.Contains(w.Header().Get("Content-Security-Policy"), "img-src") || !strings.Contains(w.Body.String(), "· Writ</title>") {
		t.Errorf("without a theme: %v %s", w.Header(), w.Body)
	}
}
