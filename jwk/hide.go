package jwk

import (
	"errors"
	"fmt"
	"log/slog"
)

// The methods here keep private keys and secrets out of logs, messages and
// documents. They have value receivers, so that a key that was dereferenced by
// mistake is hidden as well.

var errHidden = errors.New("jwk: private keys and secrets are not marshalled: use ExportJWK")

// Format shows the algorithm and the key ID, whatever the verb.
func (k PrivateKey) Format(f fmt.State, verb rune) {
	formatHidden(f, "jwk.PrivateKey", k.pub.Algorithm(), k.pub.KeyID())
}

// LogValue is the algorithm and the key ID.
func (k PrivateKey) LogValue() slog.Value { return logHidden(k.pub.Algorithm(), k.pub.KeyID()) }

// MarshalJSON is an error: use ExportJWK.
func (k PrivateKey) MarshalJSON() ([]byte, error) { return nil, errHidden }

// MarshalText is an error: use ExportPEM.
func (k PrivateKey) MarshalText() ([]byte, error) { return nil, errHidden }

// Format shows the algorithm and the key ID, whatever the verb.
func (s Secret) Format(f fmt.State, verb rune) { formatHidden(f, "jwk.Secret", s.alg, s.kid) }

// LogValue is the algorithm and the key ID.
func (s Secret) LogValue() slog.Value { return logHidden(s.alg, s.kid) }

// MarshalJSON is an error: use ExportJWK.
func (s Secret) MarshalJSON() ([]byte, error) { return nil, errHidden }

// MarshalText is an error: use ExportBytes.
func (s Secret) MarshalText() ([]byte, error) { return nil, errHidden }

func formatHidden(f fmt.State, name string, alg Algorithm, kid string) {
	fmt.Fprintf(f, "%s(alg=%s kid=%q)", name, string(alg), kid)
}

func logHidden(alg Algorithm, kid string) slog.Value {
	return slog.GroupValue(slog.String("alg", string(alg)), slog.String("kid", kid))
}
