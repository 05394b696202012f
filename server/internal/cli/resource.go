package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// resource is a kind of thing that the admin API keeps.
type resource struct {
	path    string // below /v1/admin/
	one     string // what one is called
	columns []column
	names   []string                            // the members that a person may name one by, besides its id
	short   map[string]func(text string) string // of members that are too long for a table
	newest  string                              // the member with the time by which a list goes, newest first; "" for the server's order
	lasting string                              // what is still good after one is removed; "" if nothing is
}

// column is a column of a list.
type column struct{ head, member string }

const adminPath = "/v1/admin/"

// listing is a page of a list.
type listing struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next,omitempty"`
}

// listFlags are common to all lists.
type listFlags struct {
	Query string `short:"q" placeholder:"TEXT" help:"Only those whose name begins so."`
	Limit *int   `placeholder:"N" help:"At most so many, 1 to 200. Default: all."`
}

const maxLimit = 200 // a page of the admin API

// most is the limit, 0 without one.
func (f listFlags) most() (int, error) {
	switch {
	case f.Limit == nil:
		return 0, nil
	case *f.Limit < 1 || *f.Limit > maxLimit:
		return 0, usagef("--limit must be 1 to %d; without it all are listed", maxLimit)
	}
	return *f.Limit, nil
}

// all reads a list, page after page.
func (r resource) all(ctx context.Context, c *adminClient, query url.Values, limit int) ([]json.RawMessage, error) {
	items := []json.RawMessage{}
	query.Set("limit", strconv.Itoa(maxLimit))
	for {
		var page listing
		if err := c.call(ctx, http.MethodGet, adminPath+r.path+"?"+query.Encode(), nil, &page); err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if limit > 0 && len(items) >= limit {
			return items[:limit], nil
		}
		if page.Next == "" {
			return items, nil
		}
		query.Set("cursor", page.Next)
	}
}

// list carries out the verb list.
func (r resource) list(ctx context.Context, p *program, flags adminFlags, list listFlags, query url.Values) error {
	limit, err := list.most()
	if err != nil {
		return err
	}
	return p.withAdmin(ctx, flags, func(c *adminClient) error {
		if list.Query != "" {
			query.Set("q", list.Query)
		}
		items, err := r.wanted(ctx, c, query, limit)
		if err != nil {
			return err
		}
		return p.show(listing{Items: items}, func(w io.Writer) error { return r.writeTable(w, items) })
	})
}

// wanted are the items of a list. The server has them by their ids, so which are
// the newest is known when all are.
func (r resource) wanted(ctx context.Context, c *adminClient, query url.Values, limit int) ([]json.RawMessage, error) {
	if r.newest == "" {
		return r.all(ctx, c, query, limit)
	}
	items, err := r.all(ctx, c, query, 0)
	if err != nil {
		return nil, err
	}
	if err := newestFirst(items, r.newest); err != nil {
		return nil, err
	}
	if limit > 0 && limit < len(items) {
		items = items[:limit]
	}
	return items, nil
}

// newestFirst sorts items by a member with a time.
func newestFirst(items []json.RawMessage, member string) error {
	type dated struct {
		item json.RawMessage
		at   time.Time
	}
	all := make([]dated, len(items))
	for i, item := range items {
		members, err := readMembers(item)
		if err != nil {
			return err
		}
		at, err := time.Parse(time.RFC3339Nano, cell(members, member))
		if err != nil {
			return fmt.Errorf("the server's %s is no time: %w", member, err)
		}
		all[i] = dated{item, at}
	}
	slices.SortStableFunc(all, func(a, b dated) int { return b.at.Compare(a.at) })
	for i, d := range all {
		items[i] = d.item
	}
	return nil
}

func (r resource) writeTable(w io.Writer, items []json.RawMessage) error {
	var heads []string
	for _, c := range r.columns {
		heads = append(heads, c.head)
	}
	var rows [][]string
	for _, item := range items {
		members, err := readMembers(item)
		if err != nil {
			return err
		}
		row := make([]string, len(r.columns))
		for i, c := range r.columns {
			row[i] = cell(members, c.member)
			if short := r.short[c.member]; short != nil {
				row[i] = short(row[i])
			}
		}
		rows = append(rows, row)
	}
	return table(w, heads, rows)
}

// cell is a member's value in a table, "-" if there is none.
func cell(members []member, name string) string {
	for _, m := range members {
		if m.name == name {
			if text := m.plain(); text != "" {
				return text
			}
		}
	}
	return "-"
}

// plain is the value without JSON's marks, "" for what says nothing.
func (m member) plain() string {
	switch m.value {
	case "null", `""`, "[]", "{}", "false":
		return ""
	case "true":
		return "yes"
	}
	var s string
	if json.Unmarshal([]byte(m.value), &s) == nil {
		return s
	}
	var list []string
	if json.Unmarshal([]byte(m.value), &list) == nil {
		return strings.Join(list, ", ")
	}
	return m.value
}

// show carries out the verb show.
func (r resource) show(ctx context.Context, p *program, flags adminFlags, name string) error {
	return p.withAdmin(ctx, flags, func(c *adminClient) error {
		item, err := r.find(ctx, c, name)
		if err != nil {
			return err
		}
		return p.showItem(item)
	})
}

// showItem writes one thing, a member a line.
func (p *program) showItem(item json.RawMessage) error {
	return p.show(item, func(w io.Writer) error {
		members, err := readMembers(item)
		if err != nil {
			return err
		}
		var lines [][2]string
		for _, m := range members {
			lines = append(lines, [2]string{m.name, m.plain()})
		}
		return properties(w, lines)
	})
}

// remove carries out the verb remove.
func (r resource) remove(ctx context.Context, p *program, flags adminFlags, name string) error {
	return p.withAdmin(ctx, flags, func(c *adminClient) error {
		id, err := r.id(ctx, c, name)
		if err != nil {
			return err
		}
		var answer json.RawMessage
		if err := c.call(ctx, http.MethodDelete, adminPath+r.path+"/"+url.PathEscape(id), nil, &answer); err != nil {
			return err
		}
		return p.show(map[string]string{"removed": id}, func(w io.Writer) error {
			text := "removed " + r.one + " " + oneLine(name)
			if r.lasting != "" {
				text += "; " + r.lasting
			}
			_, err := fmt.Fprintln(w, text)
			return err
		})
	})
}

// create carries out the verb add. after, if not nil, sees what was made and
// answers what of it is shown.
func (r resource) create(ctx context.Context, p *program, flags adminFlags, body any, after func(made json.RawMessage) (json.RawMessage, error)) error {
	return p.withAdmin(ctx, flags, func(c *adminClient) error {
		var made json.RawMessage
		if err := c.call(ctx, http.MethodPost, adminPath+r.path, body, &made); err != nil {
			return err
		}
		if after != nil {
			var err error
			if made, err = after(made); err != nil {
				return err
			}
		}
		return p.showItem(made)
	})
}

// changes is the body of a PATCH: the members that are to change. What isn't
// in it stays as it is.
type changes map[string]any

// text adds a member if its flag is given; a given "" empties the member.
func (c changes) text(name string, value *string) {
	if value != nil {
		c[name] = *value
	}
}

// list adds a member, the whole list, if its flag is given; "" alone is the
// empty list.
func (c changes) list(name string, values []string) {
	if len(values) == 1 && values[0] == "" {
		c[name] = []string{}
	} else if len(values) > 0 {
		c[name] = values
	}
}

// ability adds the member disabled if one of the two flags is given.
func (c changes) ability(disable, enable bool) {
	if disable || enable {
		c["disabled"] = disable
	}
}

// set carries out the verb set. edit, if not nil, adds changes that depend on
// what is there.
func (r resource) set(ctx context.Context, p *program, flags adminFlags, name string, body changes, edit func(now []member) error) error {
	if len(body) == 0 && edit == nil {
		return usagef("set what? give what is to change; writ %s set --help lists the flags", r.path)
	}
	return p.withAdmin(ctx, flags, func(c *adminClient) error {
		item, err := r.find(ctx, c, name)
		if err != nil {
			return err
		}
		id, err := r.idOf(item, name)
		if err != nil {
			return err
		}
		if edit != nil {
			if err := editItem(item, edit); err != nil {
				return err
			}
		}
		var changed json.RawMessage
		if err := c.call(ctx, http.MethodPatch, adminPath+r.path+"/"+url.PathEscape(id), body, &changed); err != nil {
			return err
		}
		return p.showItem(changed)
	})
}

func editItem(item json.RawMessage, edit func([]member) error) error {
	members, err := readMembers(item)
	if err != nil {
		return err
	}
	return edit(members)
}

// find answers the one thing that name, an id or a name, stands for. An id comes
// first: names are free, and whoever called a thing by another's id would
// otherwise be found, changed or removed in its place.
func (r resource) find(ctx context.Context, c *adminClient, name string) (json.RawMessage, error) {
	var item json.RawMessage
	err := c.call(ctx, http.MethodGet, adminPath+r.path+"/"+url.PathEscape(name), nil, &item)
	var refused *problem
	if err == nil || !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		return item, err
	}
	items, err := r.all(ctx, c, url.Values{"q": {name}}, 0)
	if err != nil {
		return nil, err
	}
	items = slices.DeleteFunc(items, func(item json.RawMessage) bool { return !r.named(item, name) })
	switch len(items) {
	case 0:
		return nil, &absent{r, name}
	case 1:
		return items[0], nil
	}
	return nil, fmt.Errorf("%d %s are called %q; give the id, writ %s list -q shows it", len(items), r.path, name, r.path)
}

// absent is a name that stands for nothing.
type absent struct {
	resource resource
	name     string
}

func (e *absent) Error() string {
	return fmt.Sprintf("there is no %s %q; writ %s list shows them", e.resource.one, e.name, e.resource.path)
}

// wantFree refuses a name that somebody has.
func (r resource) wantFree(ctx context.Context, c *adminClient, name string) error {
	_, err := r.find(ctx, c, name)
	var none *absent
	switch {
	case errors.As(err, &none):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("there is a %s %q already; writ %s show %s shows it", r.one, name, r.path, name)
}

// named reports whether an item is called name, without regard to case.
func (r resource) named(item json.RawMessage, name string) bool {
	members, err := readMembers(item)
	if err != nil {
		return false
	}
	return name != "" && slices.ContainsFunc(members, func(m member) bool {
		return slices.Contains(r.names, m.name) && strings.EqualFold(m.plain(), name)
	})
}

// id is the id of the thing that name stands for.
func (r resource) id(ctx context.Context, c *adminClient, name string) (string, error) {
	item, err := r.find(ctx, c, name)
	if err != nil {
		return "", err
	}
	return r.idOf(item, name)
}

// idOf is the id of an item that was found under name.
func (r resource) idOf(item json.RawMessage, name string) (string, error) {
	members, err := readMembers(item)
	if err != nil {
		return "", err
	}
	for _, key := range []string{"id", "client_id"} {
		if id := cell(members, key); id != "-" {
			return id, nil
		}
	}
	return "", fmt.Errorf("the server's answer about %s %s has no id", r.one, name)
}
