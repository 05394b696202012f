package cli

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/writ-auth/writ/jwk"
)

// What tests in package cli_test see of the inside.

func Printable(text string) string { return printable(text) }

func OneLine(text string) string { return oneLine(text) }

func ParseMaterial(alg jwk.Algorithm, data []byte) (kinds int, err error) {
	m, err := parseMaterial(alg, data)
	for _, there := range []bool{m.private != nil, m.public != nil, m.secret != nil, m.set != nil} {
		if there {
			kinds++
		}
	}
	return kinds, err
}

func DecodeSecret(text, encoding string) ([]byte, error) { return decodeSecret(text, encoding) }

func HandlerTransport(h http.Handler) http.RoundTripper { return handlerTransport{h} }

// Verbs are the commands that a person can give, such as "keys rotate".
func Verbs() ([]string, error) {
	_, parser, err := new(program).parser(context.Background(), func(int) {})
	if err != nil {
		return nil, err
	}
	var verbs []string
	for _, leaf := range parser.Model.Leaves(true) {
		verbs = append(verbs, strings.TrimPrefix(leaf.FullPath(), "writ "))
	}
	return verbs, nil
}

// Parses reports whether a command line is right in itself, without running it.
func Parses(args []string) error {
	p := &program{Environment: Environment{Stdout: io.Discard, Stderr: io.Discard}}
	_, parser, err := p.parser(context.Background(), func(int) {})
	if err != nil {
		return err
	}
	_, err = parser.Parse(args)
	return err
}

// AcknowledgedText is what revoke --wait says of an answer.
func AcknowledgedText(acknowledged, of int, scope string) string {
	return revoked{Acknowledged: &acknowledged, Of: &of, Scope: scope}.acknowledged()
}

func NewestFirst(items []json.RawMessage, member string) error { return newestFirst(items, member) }

func ShortAgent(text string) string { return shortAgent(text) }
