package cli_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/writ-auth/writ/server/internal/cli"
)

// TestAcknowledged: who waits hears who is counted, and that nobody is where
// all verifiers are anonymous.
func TestAcknowledged(t *testing.T) {
	for _, c := range []struct {
		acknowledged, of int
		scope, want      string
	}{
		{3, 4, "all", "acknowledged by 3 of the 4 verifiers that follow with credentials; others aren't counted"},
		{3, 4, "some", "acknowledged by 3 of the 4 verifiers that follow with credentials, as far as nodes answered in time; others aren't counted"},
		{0, 0, "all", "no verifier follows with credentials; others aren't counted"},
		{0, 0, "some", "no verifier follows with credentials, as far as nodes answered in time; others aren't counted"},
	} {
		if got := cli.AcknowledgedText(c.acknowledged, c.of, c.scope); got != c.want {
			t.Errorf("%d of %d, %s: %q, want %q", c.acknowledged, c.of, c.scope, got, c.want)
		}
	}
}

// TestNewestFirst: times are compared as times, not as texts.
func TestNewestFirst(t *testing.T) {
	items := []json.RawMessage{
		[]byte(`{"id":"c","at":"2026-01-02T12:00:00Z"}`),
		[]byte(`{"id":"a","at":"2026-01-02T12:00:00.5Z"}`),
		[]byte(`{"id":"d","at":"2025-12-31T23:59:59.999999Z"}`),
		[]byte(`{"id":"b","at":"2026-01-02T12:00:00.25Z"}`),
	}
	if err := cli.NewestFirst(items, "at"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, item := range items {
		var in struct{ ID string }
		if err := json.Unmarshal(item, &in); err != nil {
			t.Fatal(err)
		}
		got = append(got, in.ID)
	}
	if want := []string{"a", "b", "c", "d"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if err := cli.NewestFirst([]json.RawMessage{[]byte(`{"id":"a"}`)}, "at"); err == nil {
		t.Error("an item without a time is no error")
	}
}

func TestShortAgent(t *testing.T) {
	for agent, want := range map[string]string{
		"curl/8.5.0": "curl/8.5.0",
		"":           "",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36": "(X11; Linux x86_64) Chrome/131.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0":                      "(Windows NT 10.0; Win64; x64; rv:133.0) Gecko/201…",
		"ééééééééééééééééééééééééééééééééééééééééééééééééééé":                                                   "ééééééééééééééééééééééééééééééééééééééééééééééééé…",
	} {
		if got := cli.ShortAgent(agent); got != want {
			t.Errorf("%q is shown as %q, want %q", agent, got, want)
		}
	}
}
