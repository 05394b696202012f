//go:build unix

package store_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/pgtest"
	"github.com/writ-auth/writ/server/internal/auth"
)

// TestDeafNode lets a node change something of its own while what another has
// changed has yet to reach it: the counts that its own commit answers must not
// make it believe that it knows of both.
func TestDeafNode(t *testing.T) {
	dsn := pgtest.StartOwn(t, "fsync=off").Database(t)
	nodes := opened(t, dsn, 2)
	a, b, ctx := nodes[0], nodes[1], t.Context()
	client := auth.Client{ID: "svc", Name: "svc", Epoch: auth.Random128(), TokenEndpointAuthMethod: "none"}
	if err := b.CreateClient(ctx, client, nil, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	soon(t, "a hears of the client", func() error {
		if a.Seen() != b.Seen() {
			return fmt.Errorf("it knows of %d changes, the other of %d", a.Seen(), b.Seen())
		}
		_, err := a.Registration(ctx, client.ID) // it is in memory from here on
		return err
	})
	var listening int
	const query = `SELECT pid FROM pg_stat_activity WHERE application_name LIKE '%' || $1`
	if err := connected(t, dsn).QueryRow(query, a.NodeID()).Scan(&listening); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(listening, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	_, err := b.DeleteClient(ctx, client.ID, time.Now(), auth.Event{})
	key := auth.Key{ID: "k", Purpose: auth.KeySign, Algorithm: "ES256", State: auth.KeySigning, Sealed: []byte{1}}
	err = errors.Join(err, a.AddKey(ctx, key, auth.Event{}), syscall.Kill(listening, syscall.SIGCONT))
	if err != nil {
		t.Fatal(err)
	}
	soon(t, "a hears that the client is gone", func() error {
		if _, err := a.Registration(ctx, client.ID); !errors.Is(err, auth.ErrNotFound) {
			return fmt.Errorf("got %v, want ErrNotFound", err)
		}
		return nil
	})
}
