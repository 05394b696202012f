package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/writ-auth/writ/guard"
)

// The ways of asking a guard. Goals and docs name them.
const (
	knownVerify  = "Verify, a known token"
	knownCheck   = "Check, a known token"
	knownRole    = "Check, a known token and a role"
	knownPublic  = "Check, a known token, where Config.Public names a path"
	knownMany    = "Verify, 256 known tokens in turn"
	knownChanged = "Verify, the same when the log has just changed"
	unknown      = "Verify, a token not seen before (ES256)"
)

const manyTokens = 256

// measureGuard measures what a guard takes for a token, with all its checks:
// time, key, revocation log.
func measureGuard(p plan, report *Report) error {
	i, err := newIssuer()
	if err != nil {
		return err
	}
	defer i.server.Close()
	g, err := i.guard(i.config())
	if err != nil {
		return err
	}
	defer g.Close()
	open, err := i.guard(i.config("GET /healthz"))
	if err != nil {
		return err
	}
	defer open.Close()
	config := i.config()
	config.CacheBytes = -1 // every token is new to it
	forgetful, err := i.guard(config)
	if err != nil {
		return err
	}
	defer forgetful.Close()
	trials, err := guardTrials(i, g, open, forgetful)
	if err != nil {
		return err
	}
	if err := measure(trials, p.slice, p.guard); err != nil {
		return err
	}
	for _, t := range trials {
		report.Guard = append(report.Guard, GuardResult{
			Name: t.name, Minimum: slices.Min(t.samples), Median: median(t.samples), Allocs: t.allocs,
		})
	}
	return nil
}

// guard returns one that is ready.
func (i *issuer) guard(config guard.Config) (*guard.Guard, error) {
	g, err := guard.New(config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(background(), 10*time.Second)
	defer cancel()
	if err := g.Ready(ctx); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

func guardTrials(i *issuer, g, open, forgetful *guard.Guard) ([]*trial, error) {
	tokens := make([]string, manyTokens)
	for n := range tokens {
		token, err := i.token("user" + strconv.Itoa(n))
		if err != nil {
			return nil, err
		}
		tokens[n] = token
	}
	if err := checkGuard(i, g, tokens[0]); err != nil {
		return nil, err
	}
	request, err := http.NewRequest(http.MethodGet, "https://api.example.com/orders", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+tokens[0])
	admin := guard.Role("admin")
	return []*trial{
		{name: knownVerify, op: inTurn(g, tokens[:1])},
		{name: knownCheck, op: func() error { _, err := g.Check(request); return err }},
		{name: knownPublic, op: func() error { _, err := open.Check(request); return err }},
		{name: knownRole, op: func() error { _, err := g.Check(request, admin); return err }},
		{name: knownMany, op: inTurn(g, tokens), n: manyTokens},
		{name: knownChanged, op: inTurn(g, tokens), n: manyTokens, prepare: func() error { return i.changeLog(g) }},
		{name: unknown, op: inTurn(forgetful, tokens[:1])},
	}, nil
}

// inTurn verifies one of the tokens at each call.
func inTurn(g *guard.Guard, tokens []string) func() error {
	next := 0
	return func() error {
		_, err := g.Verify(background(), tokens[next])
		if next++; next == len(tokens) {
			next = 0
		}
		return err
	}
}

// changeLog revokes something and waits until the guard knows.
func (i *issuer) changeLog(g *guard.Guard) error {
	ctx, cancel := context.WithTimeout(background(), 10*time.Second)
	defer cancel()
	if err := g.Synced(ctx, i.url, i.revoke(time.Now().String())); err != nil {
		return err
	}
	time.Sleep(2 * time.Millisecond) // the guard asks for what comes next, and that isn't to be measured
	return nil
}

// checkGuard makes sure that the guard does check what it is measured with.
func checkGuard(i *issuer, g *guard.Guard, good string) error {
	if _, err := g.Verify(background(), good); err != nil {
		return fmt.Errorf("refused a good token: %w", err)
	}
	if _, err := g.Verify(background(), good, guard.Role("nobody")); err == nil {
		return fmt.Errorf("a rule that nobody fulfils was fulfilled")
	}
	if _, err := g.Verify(background(), changeAfterDot(good, 2)); err == nil {
		return fmt.Errorf("accepted a changed signature")
	}
	claims := sampleClaims(time.Now())
	claims.Issuer, claims.ID, claims.SessionID = i.url, "", "revoked later"
	token, err := i.signer.Sign(claims)
	if err != nil {
		return err
	}
	if _, err := g.Verify(background(), token); err != nil {
		return fmt.Errorf("refused a good token: %w", err)
	}
	ctx, cancel := context.WithTimeout(background(), 10*time.Second)
	defer cancel()
	if err := g.Synced(ctx, i.url, i.revoke(claims.SessionID)); err != nil {
		return err
	}
	if _, err := g.Verify(background(), token); err == nil {
		return fmt.Errorf("accepted a known token that was revoked")
	}
	return nil
}
