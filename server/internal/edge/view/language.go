package view

import (
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

//go:embed messages/*.json
var messages embed.FS

// fallback is the language of who asks for none that there is.
const fallback = "en"

// Languages lists those that pages are in, as BCP 47 has it. Another one is a
// file in messages, and a line here.
func Languages() []string { return []string{fallback, "de"} }

// table is what pages say in one language, by name. {0}, {1}… stand for what a
// page fills in.
type table map[string]string

func readTable(language string) (table, error) {
	text, err := messages.ReadFile("messages/" + language + ".json")
	if err != nil {
		return nil, err
	}
	var t table
	if err := json.Unmarshal(text, &t); err != nil {
		return nil, fmt.Errorf("messages of %s: %w", language, err)
	}
	return t, nil
}

// say fills a message in. Both the message and what fills it are text, which is
// escaped, unless strong has made it HTML.
func (t table) say(name string, values ...any) (template.HTML, error) {
	text, ok := t[name]
	if !ok {
		return "", fmt.Errorf("no message is called %q", name)
	}
	fillings := make([]string, len(values))
	for n, value := range values {
		filling, ok := value.(template.HTML)
		if !ok {
			filling = template.HTML(template.HTMLEscapeString(fmt.Sprint(value)))
		}
		fillings[n] = string(filling)
	}
	return template.HTML(fill(template.HTMLEscapeString(text), fillings...)), nil
}

// fill fills a text in, at once: what somebody called himself is not filled in
// again.
func fill(text string, fillings ...string) string {
	var pairs []string
	for n, filling := range fillings {
		pairs = append(pairs, "{"+strconv.Itoa(n)+"}", filling)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// functions are what templates call.
func (t table) functions() template.FuncMap {
	return template.FuncMap{"t": t.say, "strong": strong, "host": host, "named": named}
}

func strong(text string) template.HTML { return within("<strong>", text, "</strong>") }

func host(text string) template.HTML { return within(`<span class="host">`, text, "</span>") }

// named is an application and where it is, so that a borrowed name is noticed.
func named(application, at string) template.HTML {
	if at == "" {
		return strong(application)
	}
	return strong(application) + " (" + host(at) + ")"
}

func within(before, text, after string) template.HTML {
	return template.HTML(before + template.HTMLEscapeString(text) + after)
}

// maxWishes bounds what is read of a list of languages.
const maxWishes = 512

// language chooses among Languages: what the application asks for (ui_locales,
// OpenID Connect Core, section 3.1.2.1), else what the browser prefers (RFC 9110,
// section 12.5.4). Of a tag the first part counts: de-AT is German.
func language(r *http.Request, locales string) string {
	wishes := strings.Fields(locales)
	if header := r.Header.Get("Accept-Language"); len(header) <= maxWishes {
		wishes = append(wishes, preferred(header)...)
	}
	for _, wish := range wishes {
		first, _, _ := strings.Cut(strings.ToLower(wish), "-")
		if slices.Contains(Languages(), first) {
			return first
		}
	}
	return fallback
}

// preferred reads an Accept-Language header, the most wanted first.
func preferred(header string) []string {
	type wish struct {
		tag    string
		weight float64
	}
	var wishes []wish
	for part := range strings.SplitSeq(header, ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		weight := 1.0
		if q, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			var err error
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		if tag != "" && weight > 0 {
			wishes = append(wishes, wish{strings.TrimSpace(tag), weight})
		}
	}
	slices.SortStableFunc(wishes, func(a, b wish) int { return cmp.Compare(b.weight, a.weight) })
	tags := make([]string, len(wishes))
	for n, w := range wishes {
		tags[n] = w.tag
	}
	return tags
}
