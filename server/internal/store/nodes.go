package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Nodes can speak to each other over the database that they share: every node
// hears what one says, if it is there to hear it. Nothing is kept.

// node is this process among those that share a database.
type node struct {
	id string
	// told holds what others have said until it is taken. Who doesn't take it
	// loses it: nothing that is said is promised to be heard.
	told chan string
}

// maxTold is how much is held.
const maxTold = 1024

func newNode() node { return node{id: auth.Random128(), told: make(chan string, maxTold)} }

// sayPrefix begins a notification that is no counts: a node that doesn't know it
// passes it over.
const sayPrefix = "say "

// channelOf is where the nodes of one schema tell each other of changes. One
// database may have several, which must not take each other's numbers for theirs.
func channelOf(schema string) string {
	if schema == "public" {
		return "writ"
	}
	sum := sha256.Sum256([]byte(schema))
	return "writ_" + hex.EncodeToString(sum[:8])
}

// nameOf is by what PostgreSQL knows the connection over which a node listens.
func nameOf(channel, id string) string { return channel + " node " + id }

// guestOf is the same of a process that is no node: nobody waits for what it has
// to say of the verifiers that follow it.
func guestOf(channel, id string) string { return channel + " guest " + id }

// NodeID names this process among those that share the database, for as long as
// it lives.
func (s *Store) NodeID() string { return s.node.id }

// OtherNodes answers the ids of the other nodes that are connected to the
// database now. One that was cut off from it or stopped without a word may be
// among them until PostgreSQL has noticed.
func (s *Store) OtherNodes(ctx context.Context) ([]string, error) {
	if !s.fleet() {
		return nil, nil
	}
	const query = `SELECT DISTINCT application_name FROM pg_stat_activity
		WHERE datname = current_database() AND application_name LIKE $1 ESCAPE '\'`
	pattern := strings.ReplaceAll(nameOf(s.engine.channel, ""), "_", `\_`) + "%"
	names, err := all(ctx, s.sql, func(name *string) []any { return []any{name} }, query, pattern)
	if err != nil {
		return nil, err
	}
	own := false
	var others []string
	for _, name := range names {
		id := strings.TrimPrefix(name, nameOf(s.engine.channel, ""))
		if id == s.node.id {
			own = true
		} else {
			others = append(others, id)
		}
	}
	if !own {
		return nil, unavailable(ErrUnreachable, fmt.Errorf("this node isn't among the %d that the database knows", len(names)))
	}
	return others, nil
}

// Tell says something to all other nodes that listen now: at most 7,000 bytes.
func (s *Store) Tell(ctx context.Context, message string) error {
	_, err := s.sql.exec(ctx, `SELECT pg_notify($1, $2)`, s.engine.channel, sayPrefix+s.node.id+" "+message)
	return err
}

// Told gives out what other nodes say.
func (s *Store) Told() <-chan string { return s.node.told }

// overheard takes a notification, and reports whether it was somebody speaking.
func (n *node) overheard(text string) bool {
	said, ok := strings.CutPrefix(text, sayPrefix)
	if !ok {
		return false
	}
	from, message, _ := strings.Cut(said, " ")
	if from != n.id {
		select {
		case n.told <- message:
		default:
		}
	}
	return true
}
