package cli

import (
	"errors"
	"strings"
)

// tokenCmd works on tokens with keys at hand; no server is needed.
type tokenCmd struct {
	Sign   tokenSignCmd   `cmd:"" help:"Sign a token with a key of your own."`
	Verify tokenVerifyCmd `cmd:"" help:"Verify a token: signature, issuer, audience, times. Says each check that fails."`
	Decode tokenDecodeCmd `cmd:"" help:"Show what a token says, without any check."`
	Lint   tokenLintCmd   `cmd:"" help:"Grade how a token is made: against RFC 8725 and OWASP, with reasons; for a CI."`
}

// refreshPrefix begins Writ's refresh tokens.
const refreshPrefix = "writ_rt_"

// readToken takes a token from the command line, or from standard input for
// "-" and "". What people copy around it (white space, "Bearer") is dropped.
func (p *program) readToken(arg string) (string, error) {
	if arg == "" || arg == "-" {
		data, err := p.readInput("-")
		if err != nil {
			return "", err
		}
		arg = string(data)
	}
	token := strings.TrimSpace(arg)
	if scheme, rest, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	switch {
	case token == "":
		return "", usagef("there is no token; give it as the argument or on standard input")
	case strings.HasPrefix(token, refreshPrefix):
		return "", errors.New("this is a refresh token: it has no claims, and only the server that made it can read it; give an access token")
	}
	return token, nil
}
