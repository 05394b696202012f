package main

import (
	_ "embed"
	"fmt"
	"strings"
	"text/template"
)

//go:embed chart.svg.tmpl
var chartTemplate string

// The chart's measures, in pixels.
const (
	chartWidth  = 920
	chartMargin = 20
	panelWidth  = (chartWidth - 2*chartMargin) / 2
	titleHeight = 34
	barPitch    = 22
	barHeight   = 14
	labelWidth  = 166
	valueWidth  = 96 // room for "37.8 µs · 73.2×"
	panelGap    = 16
	noteHeight  = 30
)

type chart struct {
	Width, Height, Margin, NoteY int
	Note                         string
	Panels                       []panel
}

// panel has its own scale: HMAC takes a hundredth of what a signature does.
type panel struct {
	Title                         string
	X, Y                          int
	Bars                          []bar
	LimitX, LimitTop, LimitBottom int
}

type bar struct {
	Label, Value, Class     string
	Ours                    bool
	LabelX, BarX, ValueX    int
	Y, TextY, Width, Height int
	amount                  float64
}

// chart draws who verifies how fast, algorithm by algorithm, and what a request
// costs a server.
func (r *Report) chart() (string, error) {
	c := chart{Width: chartWidth, Margin: chartMargin, Note: fmt.Sprintf(
		"CPU time, shorter is better; tokens of %s. Dashed: raw cryptography, or the empty handler. %s, %s.",
		r.sizes(), r.Machine.Processor, r.Machine.Go)}
	y := 0
	for n, p := range r.panels() {
		p.place(chartMargin+n%2*panelWidth, y)
		c.Panels = append(c.Panels, p)
		if n%2 == 1 || n == len(algorithms()) {
			rows := len(p.Bars)
			if n > 0 {
				rows = max(rows, len(c.Panels[n-1].Bars))
			}
			y += titleHeight + rows*barPitch + panelGap
		}
	}
	c.NoteY, c.Height = y+noteHeight/2, y+noteHeight
	t, err := template.New("chart").Parse(chartTemplate)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, c)
	return b.String(), err
}

func (r *Report) panels() []panel {
	var panels []panel
	for _, alg := range algorithms() {
		p := panel{Title: "Verify and validate " + string(alg)}
		for _, name := range r.contestants(opVerify) {
			if x := r.find(opVerify, alg, name); x != nil {
				p.Bars = append(p.Bars, bar{
					Label: name, Value: fmt.Sprintf("%s µs · %s", micros(x.Minimum), times(x.Ratio)),
					Class: classOf(name), Ours: name == ourName || name == fastName, amount: x.Minimum,
				})
			}
		}
		panels = append(panels, p)
	}
	p := panel{Title: "A request over HTTP, the server's part"}
	for _, x := range r.Route {
		p.Bars = append(p.Bars, bar{
			Label: routeLabel(x.Name), Value: fmt.Sprintf("%s µs · %s", micros(x.CPU), times(x.CPU/r.Route[0].CPU)),
			Class: routeClass(x.Name), Ours: x.Name == routeGuard, amount: x.CPU,
		})
	}
	return append(panels, p)
}

func classOf(contestant string) string {
	switch contestant {
	case rawName:
		return "raw"
	case ourName:
		return "ours"
	case fastName:
		return "fast"
	}
	return "other"
}

func routeLabel(name string) string {
	switch name {
	case routeEmpty:
		return "empty handler"
	case routeGuard:
		return "guard, known token"
	}
	return "golang-jwt, ES256"
}

func routeClass(name string) string {
	switch name {
	case routeEmpty:
		return "raw"
	case routeGuard:
		return "ours"
	}
	return "other"
}

// place computes where everything of a panel stands. The first bar is the one
// that all are compared with.
func (p *panel) place(x, y int) {
	p.X, p.Y = x, y+titleHeight-12
	most := 0.0
	for _, b := range p.Bars {
		most = max(most, b.amount)
	}
	room := float64(panelWidth - labelWidth - valueWidth - 2*chartMargin)
	for n := range p.Bars {
		b := &p.Bars[n]
		b.LabelX = x + labelWidth
		b.BarX = b.LabelX + 8
		b.Y = y + titleHeight + n*barPitch
		b.TextY = b.Y + barHeight - 3
		b.Height = barHeight
		b.Width = max(2, int(b.amount/most*room))
	}
	p.LimitX = p.Bars[0].BarX + p.Bars[0].Width
	for n := range p.Bars {
		b := &p.Bars[n]
		b.ValueX = max(b.BarX+b.Width, p.LimitX) + 6
	}
	p.LimitTop = y + titleHeight - 4
	p.LimitBottom = y + titleHeight + len(p.Bars)*barPitch
}
