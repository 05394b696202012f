package introspection

import (
	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/jwt"
)

// answer is what RFC 7662 answers for an access token: what it says of itself,
// which its bearer and its API can read anyway, under the names of section 2.2,
// which for all that both have are those of JWTs.
func answer(claims jwt.AccessClaims, payload []byte) ([]byte, error) {
	kind := "Bearer"
	if claims.Confirmation != nil && claims.Confirmation.JKT != "" {
		kind = "DPoP" // RFC 9449, section 6.2
	}
	out := append(make([]byte, 0, len(payload)+128), `{"active":true,"token_type":"`+kind+`"`...)
	username := claims.PreferredUsername
	if username == "" {
		username = claims.Email
	}
	var err error
	if username != "" {
		if out, err = strictjson.AppendString(append(out, `,"username":`...), username); err != nil {
			return nil, err
		}
	}
	r := strictjson.NewReader(string(payload))
	if err := r.BeginObject(); err != nil {
		return nil, err
	}
	for {
		name, more, err := r.NextKey()
		if err != nil {
			return nil, err
		}
		if !more {
			return append(out, "}\n"...), nil
		}
		value, err := r.RawValue()
		if err != nil {
			return nil, err
		}
		if name == "active" || name == "token_type" || name == "username" {
			continue // somebody's own claim must not answer the question
		}
		if out, err = strictjson.AppendString(append(out, ','), name); err != nil {
			return nil, err
		}
		out = append(append(out, ':'), value...)
	}
}
