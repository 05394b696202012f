package main

import (
	"fmt"

	"github.com/writ-auth/writ/jwk"
)

// The operations of the matrix.
const (
	opVerify = "verify"
	opSign   = "sign"
)

// cell is a place in the matrix.
type cell struct {
	operation  string
	alg        jwk.Algorithm
	contestant string
	trial      *trial
}

// measureMatrix measures all contestants, of all algorithms.
func measureMatrix(p plan, report *Report) error {
	cells, err := newMatrix(report)
	if err != nil {
		return err
	}
	trials := make([]*trial, len(cells))
	for i, c := range cells {
		trials[i] = c.trial
	}
	if err := measure(trials, p.slice, p.matrix); err != nil {
		return err
	}
	floors := make(map[string]*trial)
	for _, c := range cells {
		if c.contestant == rawName {
			floors[c.operation+string(c.alg)] = c.trial
		}
	}
	for _, c := range cells {
		report.Results = append(report.Results, newResult(c, floors[c.operation+string(c.alg)]))
	}
	report.Rounds = len(trials[0].samples)
	return nil
}

// newMatrix sets everybody up, and checks everybody before anything is timed.
// Cells of one algorithm and operation stand together, so that they are
// measured within the same second.
func newMatrix(report *Report) ([]cell, error) {
	var cells []cell
	report.TokenBytes = make(map[jwk.Algorithm]int)
	for _, alg := range algorithms() {
		m, err := newMaterial(alg)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", alg, err)
		}
		report.TokenBytes[alg] = len(m.token)
		row, err := newRow(m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", alg, err)
		}
		cells = append(cells, row...)
	}
	return cells, nil
}

// newRow returns the cells of one algorithm: who verifies, then who signs.
func newRow(m *material) ([]cell, error) {
	f, err := newFloor(m)
	if err == nil {
		err = f.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", rawName, err)
	}
	add := func(cells []cell, operation, contestant string, op func() error) []cell {
		name := fmt.Sprintf("%s: %s with %s", contestant, operation, m.alg)
		return append(cells, cell{operation, m.alg, contestant, &trial{name: name, op: op}})
	}
	verify, sign := add(nil, opVerify, rawName, f.verifyOnce), add(nil, opSign, rawName, f.signOnce)
	for _, l := range libraries() {
		c, err := l.enter(m)
		if c == nil && err == nil {
			continue
		}
		if err == nil {
			err = c.check(m)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.name, err)
		}
		if c.verify != nil {
			verify = add(verify, opVerify, l.name, func() error { _, err := c.verify(m.token); return err })
		}
		if c.sign != nil {
			sign = add(sign, opSign, l.name, func() error { _, err := c.sign(); return err })
		}
	}
	return append(verify, sign...), nil
}
