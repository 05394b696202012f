package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

func sessions() resource {
	return resource{path: "sessions", one: "session", names: []string{"id"}, newest: "created_at", columns: []column{
		{"ID", "id"}, {"USER", "user_id"}, {"CREATED", "created_at"}, {"LAST SEEN", "last_seen_at"}, {"ADDRESS", "address"}, {"DEVICE", "device"},
	}, short: map[string]func(string) string{"created_at": toSecond, "last_seen_at": toSecond, "device": shortAgent}}
}

// toSecond leaves the fraction of a time out.
func toSecond(text string) string {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at.Format(time.RFC3339)
	}
	return text
}

// shortAgent leaves out of a User-Agent what all browsers say, and cuts what is
// long for a table; --json has the whole.
func shortAgent(text string) string {
	const most = 50
	text = strings.TrimPrefix(text, "Mozilla/5.0 ")
	text = strings.ReplaceAll(text, " AppleWebKit/537.36 (KHTML, like Gecko)", "")
	if letters := []rune(text); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return text
}

type sessionsCmd struct {
	adminFlags
	List   sessionsListCmd   `cmd:"" help:"List live sessions, the newest first."`
	Revoke sessionsRevokeCmd `cmd:"" help:"End a session."`
}

type sessionsListCmd struct {
	listFlags
	User string `placeholder:"USER" help:"Only those of one user: the id, the e-mail or the user name."`
}

func (c sessionsListCmd) Run(ctx context.Context, p *program, parent *sessionsCmd) error {
	query := url.Values{}
	if c.User != "" {
		err := p.withAdmin(ctx, parent.adminFlags, func(client *adminClient) error {
			id, err := users().id(ctx, client, c.User)
			query.Set("user_id", id)
			return err
		})
		if err != nil {
			return err
		}
	}
	return sessions().list(ctx, p, parent.adminFlags, c.listFlags, query)
}

type sessionsRevokeCmd struct {
	Session string `arg:"" help:"The session's id, or a token's sid."`
}

func (c sessionsRevokeCmd) Run(ctx context.Context, p *program, parent *sessionsCmd) error {
	return p.revoke(ctx, parent.adminFlags, 0, func(context.Context, *adminClient) (revocation, error) {
		return revocation{Kind: "session", ID: c.Session}, nil
	})
}

// revokeCmd revokes one thing.
type revokeCmd struct {
	adminFlags
	Token   string `placeholder:"TOKEN" help:"An access token, or its jti; - reads it from standard input, which no process list shows." xor:"what"`
	Session string `placeholder:"ID" help:"A session's id, or a token's sid." xor:"what"`
	User    string `placeholder:"USER" help:"Every session of a user: the id, the e-mail or the user name." xor:"what"`
	Client  string `placeholder:"ID" help:"All that a client holds." xor:"what"`
	Key     string `placeholder:"KID" help:"A signing key, and every token that it signed." xor:"what"`

	Wait time.Duration `placeholder:"DURATION" help:"Wait so long, at most 25s, until every verifier that follows the log with credentials has acknowledged it."`
}

// maxWait is less than what the connection to the server may take.
const maxWait = 25 * time.Second

// jtiBytes is the size of the ids that the server gives its tokens: 22
// characters of base64url.
const jtiBytes = 16

// revocation is the body of POST /v1/admin/revocations.
type revocation struct {
	Kind  string `json:"kind,omitempty"`
	ID    string `json:"id,omitempty"`
	Token string `json:"token,omitempty"`
}

func (c revokeCmd) Run(ctx context.Context, p *program) error {
	if c.Wait < 0 || c.Wait > maxWait {
		return usagef("--wait must be at most %v", maxWait)
	}
	return p.revoke(ctx, c.adminFlags, c.Wait, func(ctx context.Context, client *adminClient) (revocation, error) { return c.body(ctx, p, client) })
}

func (c revokeCmd) body(ctx context.Context, p *program, client *adminClient) (revocation, error) {
	switch {
	case c.Token != "":
		token, err := p.readToken(c.Token)
		if err != nil {
			return revocation{}, err
		}
		return tokenRevocation(token)
	case c.Session != "":
		return revocation{Kind: "session", ID: c.Session}, nil
	case c.User != "":
		id, err := users().id(ctx, client, c.User)
		return revocation{Kind: "user", ID: id}, err
	case c.Client != "":
		return revocation{Kind: "client", ID: c.Client}, nil
	case c.Key != "":
		return revocation{Kind: "key", ID: c.Key}, nil
	}
	return revocation{}, usagef("revoke what? give --token, --session, --user, --client or --key")
}

// tokenRevocation tells a token from a jti. Whatever else is given, such as the
// name of a file, is refused: a revocation of nothing would look like success.
func tokenRevocation(text string) (revocation, error) {
	if strings.Count(text, ".") == 2 {
		return revocation{Token: text}, nil
	}
	if id, err := base64.RawURLEncoding.Strict().DecodeString(text); err != nil || len(id) != jtiBytes {
		return revocation{}, usagef("this is neither a token nor a jti; a file is read with `--token - < FILE`")
	}
	return revocation{Kind: "token", ID: text}, nil
}

// explain names the list that shows what there is to revoke.
func (r revocation) explain(err error) error {
	var refused *problem
	if !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		return err
	}
	for _, kind := range []resource{sessions(), clients(), serverKeys()} {
		if kind.one == r.Kind {
			return &absent{kind, r.ID}
		}
	}
	return err
}

// revoked is what the server answers.
type revoked struct {
	Seq          json.Number `json:"seq"`
	Acknowledged *int        `json:"acknowledged,omitempty"`
	Of           *int        `json:"of,omitempty"`
	Scope        string      `json:"scope,omitempty"`
}

func (r revoked) print(w io.Writer) error {
	text := fmt.Sprintf("revoked; in force at every verifier that has followed the log to number %s\n", r.Seq)
	if r.Acknowledged != nil && r.Of != nil {
		text += r.acknowledged() + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

// acknowledged says who has it. "0 of 0" would read as if nobody had heard.
func (r revoked) acknowledged() string {
	text := fmt.Sprintf("acknowledged by %d of the %d verifiers that follow with credentials", *r.Acknowledged, *r.Of)
	if *r.Of == 0 {
		text = "no verifier follows with credentials"
	}
	if r.Scope == "some" {
		text += ", as far as nodes answered in time"
	}
	return text + "; others aren't counted"
}

// revoke posts a revocation and says from which number on it is in force.
func (p *program) revoke(ctx context.Context, flags adminFlags, wait time.Duration, body func(context.Context, *adminClient) (revocation, error)) error {
	return p.withAdmin(ctx, flags, func(c *adminClient) error {
		what, err := body(ctx, c)
		if err != nil {
			return err
		}
		path := adminPath + "revocations"
		if wait > 0 {
			path += "?wait=" + wait.String()
		}
		var answer revoked
		if err := c.call(ctx, http.MethodPost, path, what, &answer); err != nil {
			return what.explain(err)
		}
		return p.show(answer, answer.print)
	})
}
