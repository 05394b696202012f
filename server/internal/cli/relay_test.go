package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/cli"
)

func TestRelayUsage(t *testing.T) {
	for args, want := range map[string]string{
		"relay":                               "--upstream",
		"relay --upstream x":                  "--upstream x",
		"relay --upstream http://example.com": "https is required",
		"relay --upstream https://e.example --client-id x":                       "belong together",
		"relay --upstream https://e.example --tls-cert x":                        "belong together",
		"relay --upstream https://e.example --streams 0":                         "at least 1",
		"relay --upstream https://e.example --client-secret-file x --polls five": "--polls",
	} {
		var stderr bytes.Buffer
		status := cli.Run(t.Context(), cli.Environment{Args: strings.Fields(args), Stdout: io.Discard, Stderr: &stderr, Now: time.Now})
		if status != 2 || !strings.Contains(stderr.String(), want) || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("writ %s: %d, %q; want 2 and %q", args, status, stderr.String(), want)
		}
	}
}

// A relay serves what its upstream has, tells how it is, and ends at once though
// somebody follows it.
func TestRelayRuns(t *testing.T) {
	key, err := jwk.Generate(jwk.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		now := time.Now()
		head := revlog.Head{Log: "l", Chain: revlog.ChainStart("l"), First: 1, TimeMS: now.UnixMilli()}
		proof, err := head.Sign(key.KeyID(), key.Sign)
		if err != nil {
			t.Error(err)
		}
		proof.Prev = head.Chain
		json.NewEncoder(w).Encode(&revlog.Page{Log: "l", First: 1, Time: now.Unix(), Proof: proof})
	}))
	defer upstream.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	done := make(chan int)
	go func() {
		done <- cli.Run(ctx, cli.Environment{
			Args:   []string{"--json", "relay", "--upstream", upstream.URL, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"},
			Stdout: in, Stderr: io.Discard, Now: time.Now,
		})
	}()
	var started struct {
		Listen string `json:"listen"`
		Admin  string `json:"admin_listen"`
	}
	if err := json.NewDecoder(out).Decode(&started); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, out)
	until := time.Now().Add(20 * time.Second)
	for ask(t, "http://"+started.Admin+"/readyz").StatusCode != 200 {
		if time.Now().After(until) {
			t.Fatal("not ready")
		}
	}
	if resp := ask(t, "http://"+started.Admin+"/healthz"); resp.StatusCode != 200 {
		t.Errorf("/healthz: %d", resp.StatusCode)
	}
	resp := ask(t, "http://"+started.Admin+"/metrics")
	text, err := io.ReadAll(resp.Body)
	for _, line := range []string{"writ_relay_log_head 0", "writ_relay_streams 0", "writ_relay_events_total 0", "writ_relay_head_age_seconds"} {
		if err != nil || !strings.Contains(string(text), "\n"+line) {
			t.Errorf("/metrics has no %q, %v", line, err)
		}
	}
	body, err := io.ReadAll(ask(t, fmt.Sprintf("http://%s/v1/revocations", started.Listen)).Body)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := revlog.Decode(body); err != nil || p.Log != "l" || p.Proof == nil {
		t.Errorf("%+v, %v", p, err)
	}
	req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+started.Listen+"/v1/revocations", nil)
	req.Header.Set("Accept", "text/event-stream")
	stream, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	cancel()
	if status := <-done; status != 0 {
		t.Errorf("ended with %d", status)
	}
	if _, err := io.Copy(io.Discard, stream.Body); err != nil {
		t.Errorf("the stream was cut off, not ended: %v", err)
	}
}

func ask(t *testing.T, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}
