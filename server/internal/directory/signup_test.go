package directory_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
)

// TestSignupsAreBounded: nobody fills the database from one address, and others
// don't notice.
func TestSignupsAreBounded(t *testing.T) {
	s, db := open(t)
	signUp := func(name, address string) error {
		_, err := s.Signup(t.Context(), directory.SignupFields{Username: name, Password: secret}, address)
		return err
	}
	for i := range 60 {
		if err := signUp(fmt.Sprint("user", i), "192.0.2.1"); err != nil {
			t.Fatalf("sign-up %d: %v", i+1, err)
		}
	}
	var e *auth.Error
	if err := signUp("another", "192.0.2.1"); !errors.As(err, &e) || e.Code != auth.CodeTooMany || e.RetryAfter != time.Minute {
		t.Errorf("the 61st in an hour: %v, want %s for a minute", err, auth.CodeTooMany)
	}
	if _, err := db.UserByLogin(t.Context(), "another"); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("it was made all the same: %v", err)
	}
	if err := signUp("another", "192.0.2.2"); err != nil {
		t.Errorf("at another address: %v", err)
	}
}
