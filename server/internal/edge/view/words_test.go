package view_test

import (
	"reflect"
	"testing"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge/view"
)

func TestHostOf(t *testing.T) {
	for address, want := range map[string]string{
		"https://app.example/cb?x=1":   "app.example",
		"http://127.0.0.1:8080/cb":     "127.0.0.1:8080",
		"https://app.example@evil.com": "evil.com",
		"com.example.app:/cb":          "com.example.app:",
		"https://%zz":                  "",
	} {
		if got := view.HostOf(address); got != want {
			t.Errorf("%s is at %q, want %q", address, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	if got := view.NameOf(auth.Client{ID: "app"}) + " " + view.NameOf(auth.Client{ID: "app", Name: "The App"}); got != "app The App" {
		t.Errorf("applications: %s", got)
	}
	u := auth.User{ID: "usr_1"}
	for _, want := range []string{"usr_1", "ada", "ada@example.com", "Ada"} {
		switch want {
		case "ada":
			u.Username = want
		case "ada@example.com":
			u.Email = want
		case "Ada":
			u.Name = want
		}
		if got := view.PersonOf(u); got != want {
			t.Errorf("a person is called %q, want %q", got, want)
		}
	}
}

func TestAccessOf(t *testing.T) {
	client := &auth.Registration{APIs: []auth.API{{Audience: "https://one.example"}, {Audience: "https://two.example", Name: "Two"}}}
	for _, c := range []struct {
		audience string
		scope    []string
		want     view.Access
	}{
		{"https://one.example", []string{"openid", "orders:read"}, view.Access{API: "https://one.example",
			Scopes: []view.Scope{{Text: "consent.scope.openid"}, {Text: "consent.scope.other", Name: "orders:read"}}}},
		{"https://two.example", nil, view.Access{API: "Two", Scopes: []view.Scope{{Text: "consent.scope.none"}}}},
		{"https://auth.example", []string{"roles", "role", "other", "none"}, view.Access{Scopes: []view.Scope{{Text: "consent.scope.roles"},
			{Text: "consent.scope.other", Name: "role"}, {Text: "consent.scope.other", Name: "other"}, {Text: "consent.scope.other", Name: "none"}}}},
	} {
		if got := view.AccessOf(client, c.audience, c.scope); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %v: %+v, want %+v", c.audience, c.scope, got, c.want)
		}
	}
}
