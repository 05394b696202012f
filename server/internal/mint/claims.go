package mint

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/server/internal/auth"
)

// claims is a payload under construction. Absent values add no member.
type claims struct {
	renames map[string]string
	only    []string // identity claims to carry; nil: all
	members []member
	buffer  []byte // what the members' values are cut from
	work    []byte // what is signed is put together here
	err     error  // the first text that is not UTF-8
}

type member struct {
	name  string
	value []byte // JSON
}

// room answers claims with room for what most tokens say, which is given back when
// the token is made.
func (m *Mint) room(api auth.API) *claims {
	c, ok := m.rooms.Get().(*claims)
	if !ok {
		c = &claims{members: make([]member, 0, 20), buffer: make([]byte, 0, 512), work: make([]byte, 0, 2<<10)}
	}
	c.renames, c.only = api.Renames, api.Claims
	return c
}

// giveBack keeps the room of claims for the next, unless it has grown beyond what
// the next needs. Nothing of it may be in use.
func (m *Mint) giveBack(c *claims) {
	const most = 16 << 10
	if cap(c.buffer) <= most && cap(c.work) <= most {
		clear(c.members)
		*c = claims{members: c.members[:0], buffer: c.buffer[:0], work: c.work[:0]}
		m.rooms.Put(c)
	}
}

// cut answers what was appended to the buffer. When the buffer grows, what was
// cut from it before stays where it was.
func (c *claims) cut(grown []byte) []byte {
	from := len(c.buffer)
	c.buffer = grown
	return grown[from:len(grown):len(grown)]
}

// add appends a member once: what was said first can't be said otherwise.
func (c *claims) add(name string, value []byte) {
	if !slices.ContainsFunc(c.members, func(m member) bool { return m.name == name }) {
		c.members = append(c.members, member{name, value})
	}
}

func (c *claims) text(name, value string) {
	if value != "" {
		c.add(name, c.cut(c.quote(c.buffer, value)))
	}
}

// quote appends s as a JSON string.
func (c *claims) quote(dst []byte, s string) []byte {
	out, err := strictjson.AppendString(dst, s)
	if err != nil && c.err == nil {
		c.err = err
	}
	return out
}

func (c *claims) time(name string, t time.Time) {
	if !t.IsZero() {
		c.add(name, c.cut(strconv.AppendInt(c.buffer, t.Unix(), 10)))
	}
}

func (c *claims) list(name string, values []string) {
	if len(values) == 0 {
		return
	}
	out := append(c.buffer, '[')
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		out = c.quote(out, v)
	}
	c.add(name, c.cut(append(out, ']')))
}

// status says where the status of the token stands (draft-ietf-oauth-status-list,
// section 6.2).
func (c *claims) status(place int64, uri string) {
	out := strconv.AppendInt(append(c.buffer, `{"status_list":{"idx":`...), place, 10)
	out = c.quote(append(out, `,"uri":`...), uri)
	c.add("status", c.cut(append(out, "}}"...)))
}

// confirmation says which key the token is bound to (RFC 9449, section 6.1).
func (c *claims) confirmation(thumbprint string) {
	if thumbprint != "" {
		out := c.quote(append(c.buffer, `{"jkt":`...), thumbprint)
		c.add("cnf", c.cut(append(out, '}')))
	}
}

func (c *claims) identityText(name, value string) {
	if c.carries(name) {
		c.text(c.renamed(name), value)
	}
}

func (c *claims) identityBool(name string, value bool) {
	if c.carries(name) {
		c.add(c.renamed(name), strconv.AppendBool(nil, value))
	}
}

func (c *claims) identityList(name string, values []string) {
	if c.carries(name) {
		c.list(c.renamed(name), values)
	}
}

func (c *claims) carries(name string) bool { return c.only == nil || slices.Contains(c.only, name) }

func (c *claims) renamed(name string) string {
	if to, ok := c.renames[name]; ok {
		return to
	}
	return name
}

func (c *claims) renameTarget(name string) bool {
	for _, to := range c.renames {
		if auth.FoldClaim(to) == auth.FoldClaim(name) {
			return true
		}
	}
	return false
}

// custom adds a user's or client's own claims, in the order of their names.
// Reserved names were refused when they were set; they are left out here too,
// since a row may be older than the list, and so is what this API calls an
// identity claim: a user without roles must not write them himself.
func (c *claims) custom(object json.RawMessage) {
	if len(object) == 0 {
		return
	}
	var own map[string]json.RawMessage
	if json.Unmarshal(object, &own) != nil {
		return
	}
	names := make([]string, 0, len(own))
	for name := range own {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !auth.ReservedClaim(name) && !c.renameTarget(name) {
			c.add(name, own[name])
		}
	}
}

// appendObject appends the claims as a JSON object.
func (c *claims) appendObject(dst []byte) ([]byte, error) {
	dst = append(dst, '{')
	for i, m := range c.members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = c.quote(dst, m.name)
		dst = append(dst, ':')
		dst = append(dst, m.value...)
	}
	return append(dst, '}'), c.err
}
