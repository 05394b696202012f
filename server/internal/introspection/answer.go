package introspection

import (
	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/jwt"
)

// answer is what RFC 7662 answers for an access token: what it says of itself,
// which its bearer and its API can read anyway, under the names of section 2.2,
// which for all that both have are those of JWTs. actor is the act claim (RFC
// 8693, section 4.1) as it stands there, "" if there is none.
func answer(claims jwt.AccessClaims, payload []byte) (out []byte, actor string, err error) {
	out = append(make([]byte, 0, len(payload)+128), `{"active":true,"token_type":"`+kindOf(claims)+`"`...)
	if name := usernameOf(claims); name != "" {
		if out, err = strictjson.AppendString(append(out, `,"username":`...), name); err != nil {
			return nil, "", err
		}
	}
	r := strictjson.NewReader(string(payload))
	err = r.Members(func(name string) error {
		value, err := r.RawValue()
		if err != nil {
			return err
		}
		switch name {
		case "active", "token_type", "username":
			return nil // somebody's own claim must not answer the question
		case "act":
			actor = value
		}
		out, err = strictjson.AppendString(append(out, ','), name)
		out = append(append(out, ':'), value...)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return append(out, "}\n"...), actor, nil
}

func kindOf(claims jwt.AccessClaims) string {
	if claims.Confirmation != nil && claims.Confirmation.JKT != "" {
		return "DPoP" // RFC 9449, section 6.2
	}
	return "Bearer"
}

func usernameOf(claims jwt.AccessClaims) string {
	if claims.PreferredUsername != "" {
		return claims.PreferredUsername
	}
	return claims.Email
}
