package lint_test

import (
	"strings"
	"testing"

	"github.com/writ-auth/writ/server/internal/lint"
)

func TestData(t *testing.T) {
	const inner = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UifQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	for _, c := range []struct {
		claims object
		grade  string
		want   []string
	}{
		// Names.
		{object{"password": "hunter2"}, "D", []string{"data-secret"}},
		{object{"db_password": "hunter2"}, "D", []string{"data-secret"}},
		{object{"userPassword": "hunter2"}, "D", []string{"data-secret"}},
		{object{"https://example.com/claims/api-key": "x"}, "D", []string{"data-secret"}},
		{object{"config": object{"inner": []any{object{"client_secret": "x"}}}}, "D", []string{"data-secret"}},
		{object{"apiKeys": []string{"x"}}, "D", []string{"data-secret"}},
		{object{"ssn": 123456789}, "D", []string{"data-government"}},
		{object{"passport_number": "C01X00T47"}, "D", []string{"data-government"}},
		{object{"cvv": 123}, "D", []string{"data-card"}},
		{object{"access_token": strings.Repeat("x", 32)}, "B", []string{"data-token"}},
		{object{"email": "ada@example.com"}, "B", []string{"data-personal"}},
		{object{"email": "ada@example.com", "phone_number": "+1 202 555 0100", "birthdate": "1815-12-10"}, "B", []string{"data-personal"}},
		{object{"address": object{"formatted": "1 High Street"}}, "B", []string{"data-personal"}},
		{object{"name": "Ada Lovelace"}, "A", []string{"data-name"}},

		// Values, under names that say nothing.
		{object{"x": "-----BEGIN EC PRIVATE KEY-----\nMHcC"}, "D", []string{"data-secret"}},
		{object{"x": object{"kty": "EC", "crv": "P-256", "d": "AA"}}, "D", []string{"data-secret"}},
		{object{"x": "$2b$10$Gg91pyMdkpIwT2MRMl7xxObPSOAQpS2Gnt29indH8Q4jxpiSfPup2"}, "D", []string{"data-secret"}},
		{object{"x": "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"}, "D", []string{"data-secret"}},
		{object{"x": "postgres://app:hunter2@db/app"}, "D", []string{"data-secret"}},
		{object{"x": "AKIAIOSFODNN7EXAMPLE"}, "D", []string{"data-secret"}},
		{object{"x": []any{"a", inner}}, "B", []string{"data-token"}},
		{object{"x": "4111 1111 1111 1111"}, "D", []string{"data-card"}},
		{object{"x": 4111111111111111}, "D", []string{"data-card"}},
		{object{"x": "378282246310005"}, "D", []string{"data-card"}},
		{object{"x": "DE89 3704 0044 0532 0130 00"}, "B", []string{"data-bank"}},
		{object{"x": "GB82WEST12345698765432"}, "B", []string{"data-bank"}},
		{object{"x": "078-05-1120"}, "D", []string{"data-government"}},
		{object{"sub": "ada@example.com"}, "B", []string{"data-personal"}},
		{object{"x": "+442071838750"}, "B", []string{"data-personal"}},

		// What only looks so.
		{object{"password": ""}, "A", nil},
		{object{"has_password": true}, "A", nil},
		{object{"password_changed_at": 1767355200}, "A", nil},
		{object{"must_change_password": false}, "A", nil},
		{object{"email_verified": true}, "A", nil},
		{object{"preferred_username": "ada"}, "A", nil},
		{object{"amr": []string{"pwd", "otp"}}, "A", nil},
		{object{"x": "4111 1111 1111 1112"}, "A", nil},                                                             // wrong check digit
		{object{"x": 1767355200000003}, "A", nil},                                                                  // microseconds
		{object{"x": "DE88 3704 0044 0532 0130 00"}, "A", nil},                                                     // wrong check digits
		{object{"x": "https://example.com/a@b"}, "A", nil},                                                         //
		{object{"x": "1.2.3"}, "A", nil},                                                                           //
		{object{"x": "2026-01-02"}, "A", nil},                                                                      //
		{object{"cnf": object{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}, "A", nil},                    //
		{object{"cnf": object{"jwk": object{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}}, "A", nil},        //
		{object{"sid": "c2Vzc2lvbiBpZCBvZiAxMjggYml0cw", "epochs": []string{"ZXBvY2ggb2YgMTI4IGJpdHM"}}, "A", nil}, //
	} {
		expect(t, mustJSON(c.claims), check(token(t, nil, c.claims), lint.Options{}), c.grade, c.want...)
	}
}

// TestSecretsAreNotRepeated: a report may stand in a log.
func TestSecretsAreNotRepeated(t *testing.T) {
	secrets := object{"password": "hunter2-hunter2", "card": "4111111111111111", "mail": "ada@example.com",
		"nested": object{"key": "AKIAIOSFODNN7EXAMPLE"}, "iban": "GB82WEST12345698765432", "phone": "+442071838750"}
	r := check(token(t, nil, secrets), lint.Options{})
	text := mustJSON(r)
	for _, value := range []string{"hunter2", "41111111", "ada@", "AKIA", "WEST", "4420718"} {
		if strings.Contains(text, value) {
			t.Errorf("the report repeats %q: %s", value, text)
		}
	}
	for _, path := range []string{"claim password", "claim card", "claim mail", "claim nested.key", "claim iban", "claim phone"} {
		if !strings.Contains(text, path) {
			t.Errorf("the report doesn't name %s: %s", path, text)
		}
	}
}
