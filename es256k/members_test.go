package es256k_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

// member is a member of k's private JWK.
func member(t testing.TB, k *jwk.PrivateKey, name string) string {
	t.Helper()
	var members map[string]string
	check(t, json.Unmarshal(must(k.ExportJWK())(t), &members))
	return members[name]
}

// changed is k's private JWK with another value of a member, or without it.
func changed(t testing.TB, k *jwk.PrivateKey, name string, value any) []byte {
	t.Helper()
	var members map[string]any
	check(t, json.Unmarshal(must(k.ExportJWK())(t), &members))
	delete(members, "kid")
	members[name] = value
	if value == nil {
		delete(members, name)
	}
	return must(json.Marshal(members))(t)
}

// without is a JWK less a member.
func without(t testing.TB, data []byte, name string) []byte {
	t.Helper()
	var members map[string]any
	check(t, json.Unmarshal(data, &members))
	delete(members, name)
	return must(json.Marshal(members))(t)
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func unbase64(t testing.TB, text string) []byte {
	t.Helper()
	return must(base64.RawURLEncoding.DecodeString(text))(t)
}
