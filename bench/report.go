package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/writ-auth/writ/jwk"
)

// Report is all that a run has found. Times are nanoseconds of CPU time for one
// operation unless they say otherwise.
type Report struct {
	Machine    Machine               `json:"machine"`
	Rounds     int                   `json:"rounds"`
	TokenBytes map[jwk.Algorithm]int `json:"token_bytes"`
	Results    []Result              `json:"results"`
	Guard      []GuardResult         `json:"guard"`
	Route      []RouteResult         `json:"route"`
	Scaling    []ScalingResult       `json:"scaling,omitempty"` // none with one processor
}

// Machine says where the numbers come from.
type Machine struct {
	Processor string            `json:"processor"`
	Count     int               `json:"count"`
	Platform  string            `json:"platform"`
	Go        string            `json:"go"`
	Versions  map[string]string `json:"versions"` // of the modules that are compared
}

// Result is one contestant's with one operation and algorithm.
type Result struct {
	Operation  string        `json:"operation"`
	Algorithm  jwk.Algorithm `json:"algorithm"`
	Contestant string        `json:"contestant"`

	Minimum     float64 `json:"minimum_ns"`
	Median      float64 `json:"median_ns"`
	Ratio       float64 `json:"ratio"`        // of the minima, to raw cryptography
	MedianRatio float64 `json:"median_ratio"` // of all rounds, the median of the ratio within the round
	Allocs      float64 `json:"allocs"`
}

// GuardResult is what one way of asking a guard costs.
type GuardResult struct {
	Name    string  `json:"name"`
	Minimum float64 `json:"minimum_ns"`
	Median  float64 `json:"median_ns"`
	Allocs  float64 `json:"allocs"`
}

// RouteResult is one handler over HTTP.
type RouteResult struct {
	Name        string  `json:"name"`
	PerSecond   float64 `json:"requests_per_second"` // of the best round
	CPU         float64 `json:"server_cpu_ns"`       // of the server, for a request, in the best round
	Ratio       float64 `json:"ratio"`               // of requests per second, to the empty handler: the median of all rounds
	CPUFraction float64 `json:"cpu_ratio"`           // empty handler's CPU time over this one's, likewise
}

// ScalingResult says how much more two processors do than one.
type ScalingResult struct {
	Name   string  `json:"name"`
	Floor  bool    `json:"floor,omitempty"` // shows what the machine allows
	Best   float64 `json:"best"`            // the best of all rounds with two, over the best with one
	Median float64 `json:"median"`          // of the ratio within the round
	CPU    float64 `json:"cpu_ratio"`       // CPU time of an operation with two, over that with one: the minima
}

func newResult(c cell, floor *trial) Result {
	least, floorLeast := slices.Min(c.trial.samples), slices.Min(floor.samples)
	return Result{
		Operation: c.operation, Algorithm: c.alg, Contestant: c.contestant,
		Minimum: least, Median: median(c.trial.samples),
		Ratio: least / floorLeast, MedianRatio: median(ratios(c.trial.samples, floor.samples)),
		Allocs: c.trial.allocs,
	}
}

// find returns one result, nil if there is none.
func (r *Report) find(operation string, alg jwk.Algorithm, contestant string) *Result {
	i := slices.IndexFunc(r.Results, func(x Result) bool {
		return x.Operation == operation && x.Algorithm == alg && x.Contestant == contestant
	})
	if i < 0 {
		return nil
	}
	return &r.Results[i]
}

// contestants lists who takes part in an operation, raw cryptography first.
func (r *Report) contestants(operation string) []string {
	names := []string{rawName}
	for _, l := range libraries() {
		if slices.ContainsFunc(r.Results, func(x Result) bool {
			return x.Operation == operation && x.Contestant == l.name
		}) {
			names = append(names, l.name)
		}
	}
	return names
}

// sizes says how long the tokens are.
func (r *Report) sizes() string {
	var sizes []int
	for _, n := range r.TokenBytes {
		sizes = append(sizes, n)
	}
	return fmt.Sprintf("%d to %d bytes", slices.Min(sizes), slices.Max(sizes))
}

func thisMachine() Machine {
	m := Machine{
		Processor: processor(), Count: runtime.NumCPU(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Go: runtime.Version(), Versions: make(map[string]string),
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return m
	}
	for _, l := range libraries() {
		for _, dep := range info.Deps {
			if dep.Path == l.module {
				m.Versions[l.name] = dep.Version
			}
		}
	}
	return m
}

// processor is the model's name, as Linux tells it.
func processor() string {
	const unknown = "unknown processor"
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return unknown
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return unknown
}
