package api

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
)

// TestUserTwice: a person is written by hand where it must be quick, and shown as
// everywhere.
func TestUserTwice(t *testing.T) {
	at := time.Date(2026, 11, 24, 6, 0, 0, 5000, time.FixedZone("", 3600))
	for _, u := range []auth.User{
		{},
		{ID: "usr_1", Email: "a@b", VerifiedAt: at, Username: "ada", Name: "Äda \"L\"", Roles: []string{"admin", "chief"}, CreatedAt: at},
	} {
		want, err := json.Marshal(newUser(u))
		if err != nil {
			t.Fatal(err)
		}
		var o edge.Object
		newUser(u).addTo(&o)
		w := httptest.NewRecorder()
		o.Send(w, 200)
		if got := w.Body.String(); got != string(want)+"\n" {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
