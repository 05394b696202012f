package view

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
)

// Theme makes the pages look like those of whoever runs the server. The zero
// Theme is Writ's own.
type Theme struct {
	Name   string // instead of "Writ"
	Logo   []byte // PNG, JPEG, GIF, WebP or SVG, shown instead of the name
	Accent string // "#rrggbb", of buttons and links; "": Writ's own
}

// MaxLogo bounds the logo, in bytes.
const MaxLogo = 256 << 10

// logo answers the name and the kind of the logo's file. An SVG runs no script
// as an image, nor by itself under our policy.
func (t Theme) logo() (name, kind string, err error) {
	if len(t.Logo) > MaxLogo {
		return "", "", fmt.Errorf("the logo has more than %d KiB", MaxLogo>>10)
	}
	switch kind := http.DetectContentType(t.Logo); kind {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		return "logo", kind, nil
	}
	if bytes.Contains(t.Logo[:min(len(t.Logo), 1024)], []byte("<svg")) {
		return "logo.svg", "image/svg+xml", nil
	}
	return "", "", errors.New("the logo is no PNG, JPEG, GIF, WebP or SVG")
}

// The cards of style.css, on which the accent colour stands.
const (
	lightCard = "#ffffff"
	darkCard  = "#1c2129"
)

// enough is the contrast of text that everybody can read (WCAG 2.2, 1.4.3).
const enough = 4.5

// colours is the style sheet's end. The colour has to be legible as a link on
// the light card; on the dark one a lighter shade of it is used.
func (t Theme) colours() ([]byte, error) {
	if t.Accent == "" {
		return nil, nil
	}
	accent, err := parseColour(t.Accent)
	if err != nil {
		return nil, err
	}
	light, _ := parseColour(lightCard)
	dark, _ := parseColour(darkCard)
	if ratio := contrast(accent, light); ratio < enough {
		return nil, fmt.Errorf("%s on white has a contrast of %.1f to 1, and needs %.1f (WCAG 2.2, 1.4.3): take a darker one", t.Accent, ratio, enough)
	}
	bright := accent
	for contrast(bright, dark) < enough {
		bright = bright.towards(colour{1, 1, 1}, .05)
	}
	return fmt.Appendf(nil, "\n:root { --accent: %s; --accent-ink: #ffffff; --accent-over: %s; }\n"+
		"@media (prefers-color-scheme: dark) { :root { --accent: %s; --accent-ink: #000000; --accent-over: %s; } }\n",
		accent, accent.towards(colour{}, .25), bright, bright.towards(colour{1, 1, 1}, .25)), nil
}

// CheckAccent says what is wrong with an accent colour, nil if nothing is.
func CheckAccent(text string) error {
	_, err := Theme{Accent: text}.colours()
	return err
}

// colour is red, green and blue, each from 0 to 1.
type colour [3]float64

func parseColour(text string) (c colour, err error) {
	if len(text) != 7 || text[0] != '#' {
		return c, errors.New("give a colour as #rrggbb")
	}
	for n := range c {
		v, err := strconv.ParseUint(text[1+2*n:3+2*n], 16, 8)
		if err != nil {
			return c, errors.New("give a colour as #rrggbb")
		}
		c[n] = float64(v) / 255
	}
	return c, nil
}

func (c colour) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c[0]*255)), int(math.Round(c[1]*255)), int(math.Round(c[2]*255)))
}

// towards is c with a part of another colour in it.
func (c colour) towards(other colour, part float64) colour {
	for n := range c {
		c[n] += (other[n] - c[n]) * part
	}
	return c
}

// luminance is WCAG's relative luminance.
func (c colour) luminance() float64 {
	linear := func(v float64) float64 {
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}

// contrast is WCAG's, from 1 to 21.
func contrast(a, b colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}
