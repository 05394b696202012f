package api_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCredentialsAreNotAtRest: what the server gives out to be presented again
// is nowhere in its files, so that a stolen copy of them, short of the master
// key, signs nobody in.
func TestCredentialsAreNotAtRest(t *testing.T) {
	dir := t.TempDir()
	s := start(t, "data", dir)
	tokens := s.login(adminMail).ok()
	next := s.do("POST", "/v1/refresh", encode(t, "refresh_token", tokens.str("refresh_token"))).ok()
	secret := s.admin("POST", "/v1/admin/clients", `{"client_id":"svc","grant_types":["client_credentials"]}`).is(201, "").str("client_secret")
	given := map[string]string{
		"password":            password,
		"access token":        tokens.str("access_token"),
		"refresh token":       tokens.str("refresh_token"),
		"second access token": next.str("access_token"),
		"second refresh":      next.str("refresh_token"),
		"client secret":       secret,
	}
	for _, mode := range []string{"cookie", "session"} {
		for _, c := range s.browser(adminMail, mode).cookies {
			given[mode+" cookie "+c.Name] = c.Value
		}
	}
	if len(given) < 9 { // three of them in cookies
		t.Fatalf("only %d credentials were given out", len(given))
	}
	files := filesIn(t, dir)
	if !bytes.Contains(files, []byte(adminMail)) {
		t.Fatal("the administrator isn't in the files: they were not read")
	}
	for what, value := range given {
		for _, form := range forms(value) {
			if bytes.Contains(files, form) {
				t.Errorf("the %s is in the files", what)
			}
		}
	}
}

// forms answers how a credential could have been written: as it is, without
// its prefix, the last part of a token, and decoded.
func forms(value string) [][]byte {
	bare := value[max(strings.LastIndexByte(value, '_'), strings.LastIndexByte(value, '.'))+1:]
	all := [][]byte{[]byte(value)}
	if len(bare) >= 22 { // shorter ones could be anywhere by chance
		all = append(all, []byte(bare))
		if raw, err := base64.RawURLEncoding.DecodeString(bare); err == nil {
			all = append(all, raw)
		}
	}
	return all
}

func filesIn(t *testing.T, dir string) (all []byte) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if !info.Mode().IsRegular() {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	return all
}
