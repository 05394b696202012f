package directory

import (
	"context"
	"encoding/json"

	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/server/internal/auth"
)

// maxClaims is how many bytes of custom claims a user or client may have; they
// travel in every token.
const maxClaims = 4 << 10

// checkClaims wants a strict JSON object that names no claim which means
// something already, and answers it as it is stored: nil for an empty one.
func checkClaims(field string, object json.RawMessage) (json.RawMessage, error) {
	if len(object) > maxClaims {
		return nil, auth.Invalid(field, "%s has more than %d bytes", field, maxClaims)
	}
	r := strictjson.NewReader(string(object))
	if err := r.BeginObject(); err != nil {
		return nil, auth.Invalid(field, "%s must be a JSON object", field)
	}
	members, err := checkMembers(field, r)
	if err != nil {
		return nil, err
	}
	if r.End() != nil {
		return nil, auth.Invalid(field, "%s must be one JSON object", field)
	}
	if members == 0 {
		return nil, nil
	}
	return object, nil
}

// checkRenamed refuses custom claims under a name that some API gives to an
// identity claim: a user without roles could bear them as a custom claim.
func (s *Service) checkRenamed(ctx context.Context, field string, claims json.RawMessage) error {
	if claims == nil {
		return nil
	}
	members, err := names(claims)
	if err != nil {
		return err
	}
	return each(ctx, s.Directory.APIs, func(api auth.API) (bool, error) {
		for from, to := range api.Renames {
			if members[auth.FoldClaim(to)] {
				return false, auth.Invalid(field, "%s names the claim %q, which is how the API %.128q calls %s", field, to, api.Audience, from)
			}
		}
		return true, nil
	})
}

// names are the members of an object, without regard to letter case.
func names(object json.RawMessage) (map[string]bool, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, err
	}
	folded := make(map[string]bool, len(members))
	for name := range members {
		folded[auth.FoldClaim(name)] = true
	}
	return folded, nil
}

func checkMembers(field string, r *strictjson.Reader) (n int, err error) {
	for ; ; n++ {
		name, more, err := r.NextKey()
		if err != nil {
			return 0, auth.Invalid(field, "%s is not strict JSON: %v", field, err)
		}
		if !more {
			return n, nil
		}
		if err := checkClaim(field, name, r); err != nil {
			return 0, err
		}
	}
}

func checkClaim(field, name string, r *strictjson.Reader) error {
	if auth.ReservedClaim(name) {
		return auth.Invalid(field, "%s names a claim that is reserved: %.64q", field, name)
	}
	if err := checkText(field, name, maxWord); err != nil {
		return err
	}
	if err := r.Skip(); err != nil {
		return auth.Invalid(field, "%s is not strict JSON: %v", field, err)
	}
	return nil
}
