package load_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/load"
)

const issuer = "https://auth.example.com"

// token is an access token with changes, and a signature of the right length.
func token(t *testing.T, id string, changes map[string]any) string {
	t.Helper()
	claims := map[string]any{"iss": issuer, "sub": "usr_1", "aud": issuer, "client_id": "writ", "sid": "s1",
		"jti": id, "exp": time.Now().Add(time.Minute).Unix()}
	for name, value := range changes {
		claims[name] = value
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"ES256","typ":"at+jwt"}`)) + "." + encode(payload) + "." + strings.Repeat("A", 86)
}

func refreshed(access, refresh, session, user string) string {
	return fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","refresh_token":%q,"session_id":%q,"user":{"id":%q}}`, access, refresh, session, user)
}

func TestRefreshingTakesTheNewToken(t *testing.T) {
	task := load.NewRefreshing(issuer, "usr_1", "ses_1", "s1", "old")
	if request := string(task.Request(nil)); !strings.HasSuffix(request, "\r\n\r\n{\"refresh_token\":\"old\"}") || !strings.Contains(request, "Content-Length: 23\r\n") {
		t.Errorf("the request is %q", request)
	}
	if err := task.Answer(200, []byte(refreshed(token(t, "1", nil), "new", "ses_1", "usr_1"))); err != nil {
		t.Fatal(err)
	}
	if request := string(task.Request(nil)); !strings.HasSuffix(request, `{"refresh_token":"new"}`) {
		t.Errorf("the next request is %q", request)
	}
	for name, body := range map[string]string{
		"not rotated":       refreshed(token(t, "2", nil), "new", "ses_1", "usr_1"),
		"another session":   refreshed(token(t, "2", nil), "newer", "ses_2", "usr_1"),
		"another user":      refreshed(token(t, "2", nil), "newer", "ses_1", "usr_2"),
		"no refresh token":  refreshed(token(t, "2", nil), "", "ses_1", "usr_1"),
		"another's token":   refreshed(token(t, "2", map[string]any{"sub": "usr_2"}), "r1", "ses_1", "usr_1"),
		"another grant":     refreshed(token(t, "2", map[string]any{"sid": "s2"}), "r2", "ses_1", "usr_1"),
		"another issuer":    refreshed(token(t, "2", map[string]any{"iss": "x"}), "r3", "ses_1", "usr_1"),
		"another audience":  refreshed(token(t, "2", map[string]any{"aud": "x"}), "r4", "ses_1", "usr_1"),
		"expired":           refreshed(token(t, "2", map[string]any{"exp": 1}), "r5", "ses_1", "usr_1"),
		"the same jti":      refreshed(token(t, "1", nil), "r6", "ses_1", "usr_1"),
		"no signature":      refreshed(strings.TrimRight(token(t, "2", nil), "A"), "r7", "ses_1", "usr_1"),
		"no token":          refreshed("x", "r8", "ses_1", "usr_1"),
		"not JSON":          "hello",
		"not even an error": "",
	} {
		task := load.NewRefreshing(issuer, "usr_1", "ses_1", "s1", "old")
		if err := task.Answer(200, []byte(refreshed(token(t, "1", nil), "new", "ses_1", "usr_1"))); err != nil {
			t.Fatal(err)
		}
		if err := task.Answer(200, []byte(body)); err == nil || errors.Is(err, load.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for status, refused := range map[int]bool{429: true, 503: true, 400: false, 401: false, 500: false, 204: false} {
		if err := task.Answer(status, nil); err == nil || errors.Is(err, load.ErrRefused) != refused {
			t.Errorf("status %d: %v", status, err)
		}
	}
}

func TestClientToken(t *testing.T) {
	task := load.NewClientToken(issuer, "svc", "urn:api")
	own := map[string]any{"sub": "svc", "client_id": "svc", "aud": "urn:api", "sid": ""}
	good := fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":60}`, token(t, "1", own))
	if err := task.Answer(200, []byte(good)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{
		good, // once more
		fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":60}`, token(t, "2", nil)),
		fmt.Sprintf(`{"access_token":%q,"token_type":"mac","expires_in":60}`, token(t, "3", own)),
		fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":0}`, token(t, "4", own)),
		`{}`, `[]`,
	} {
		if err := task.Answer(200, []byte(bad)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestIntrospection(t *testing.T) {
	const live = `{"active":true,"iss":"https://auth.example.com","sub":"svc","client_id":"svc","aud":"urn:api","jti":"1","exp":1}`
	first := func() load.Task { return load.NewIntrospection(issuer, "svc", "urn:api", 1) }
	ended := func() load.Task { return load.NewIntrospection(issuer, "svc", "urn:api", 16) }
	for _, c := range []struct {
		task load.Task
		body string
		good bool
	}{
		{first(), live, true},
		{first(), `{"active":false}`, false},
		{first(), strings.Replace(live, "true", "false", 1), false},
		{first(), strings.Replace(live, `"sub":"svc"`, `"sub":"other"`, 1), false},
		{first(), ``, false},
		{ended(), "{\"active\":false}\n", true},
		{ended(), live, false},
		{ended(), `{}`, false},
	} {
		if err := c.task.Answer(200, []byte(c.body)); (err == nil) != c.good {
			t.Errorf("%s: %v, want it taken: %v", c.body, err, c.good)
		}
	}
}

func TestOwn(t *testing.T) {
	task := load.NewOwn("usr_1", "ses_1")
	for body, good := range map[string]bool{
		`{"id":"usr_1","session_id":"ses_1"}`: true, `{"id":"usr_2","session_id":"ses_1"}`: false, `{"id":"usr_1","session_id":"ses_2"}`: false, `{}`: false, ``: false,
	} {
		if err := task.Answer(200, []byte(body)); (err == nil) != good {
			t.Errorf("%s: %v", body, err)
		}
	}
}
