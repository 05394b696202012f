package cli

import (
	"net/http"

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
