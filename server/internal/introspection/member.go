package introspection

import "github.com/writ-auth/writ/internal/strictjson"

// member answers a member of an object that was parsed before, as it stands
// there; "" if there is none.
func member(object, name string) string {
	r := strictjson.NewReader(object)
	if r.BeginObject() != nil {
		return ""
	}
	for {
		key, more, err := r.NextKey()
		if err != nil || !more {
			return ""
		}
		value, err := r.RawValue()
		if err != nil {
			return ""
		}
		if key == name {
			return string(value)
		}
	}
}
