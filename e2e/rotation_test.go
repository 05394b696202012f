package e2e

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"github.com/writ-auth/writ/internal/testenv"
)

// schedule is how fast a rotation test runs.
type schedule struct {
	announce, maxAge, period, length time.Duration
	kids                             int // that must sign in this time
}

// rotationSchedule is short, or the long one by TEST_ROTATION=long.
func rotationSchedule() schedule {
	if os.Getenv("TEST_ROTATION") == "long" {
		return schedule{10 * time.Second, 5 * time.Second, 12 * time.Second, 3 * time.Minute, 12}
	}
	return schedule{4 * time.Second, 2 * time.Second, 5 * time.Second, 17 * time.Second, 3}
}

// TestRotation rotates the signing key again and again under load, with three
// verifiers that cool down for a second: no valid token is refused.
func TestRotation(t *testing.T) {
	plan := rotationSchedule()
	s := running(t, "--key-announce", plan.announce.String(), "--jwks-max-age", plan.maxAge.String(), "--key-rotation", plan.period.String())
	s.makeAPI()
	verifiers := verifiersOf(t, s, time.Second, plan.maxAge)
	watch := watchKeys(t, s)
	signed := load32(t, s, verifiers, plan.length)
	if len(signed) < plan.kids {
		t.Errorf("%d kids signed, want %d", len(signed), plan.kids)
	}
	published := watch()
	first := true
	for _, kid := range inOrder(signed) {
		if lead := signed[kid].Sub(published[kid]); !first && lead < plan.announce-watchSlack {
			t.Errorf("key %s signed %v after it was first published, want %v", kid, lead, plan.announce)
		}
		first = false
	}
	t.Logf("%d kids signed", len(signed))
	if os.Getenv("TEST_ROTATION") == "long" {
		t.Run("jose at its defaults", rotateBesideJose)
	}
}

// rotateBesideJose rotates once beside a jose that keeps a set for ten minutes
// and asks again for an unknown kid when half a minute has passed: the least
// announcement with which that goes well is a little more than that half minute.
func rotateBesideJose(t *testing.T) {
	s := running(t, "--key-announce", "35s", "--jwks-max-age", "10s", "--key-rotation", "0")
	s.makeAPI()
	jose := joseVerifier(t, s, 0, 0)
	if err := jose.verify(s.signIn(audience).AccessToken); err != nil { // it has the set from before
		t.Fatal(err)
	}
	s.must(202, "POST", "/v1/admin/keys/rotate", s.signIn("").AccessToken, nil)
	if signed := load32(t, s, []verifier{jose}, 45*time.Second); len(signed) != 2 {
		t.Errorf("%d kids signed, want 2", len(signed))
	}
}

// verifier refuses a token with an error.
type verifier struct {
	name   string
	verify func(token string) error
}

// verifiersOf starts one of each kind: our guard, which honours the set's
// max-age, and keyfunc and jose for Node with a cool-down.
func verifiersOf(t *testing.T, s *server, cooldown, cache time.Duration) []verifier {
	t.Helper()
	return []verifier{guardVerifier(t, s), keyfuncVerifier(t, s, cooldown), joseVerifier(t, s, cooldown, cache)}
}

func guardVerifier(t *testing.T, s *server) verifier {
	api := protect(t, s)
	return verifier{"guard", func(token string) error {
		a, err := call(context.Background(), "GET", api.URL, token, nil)
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", a.status, a.body)
		}
		return err
	}}
}

func keyfuncVerifier(t *testing.T, s *server, cooldown time.Duration) verifier {
	override := keyfunc.Override{RefreshUnknownKID: rate.NewLimiter(rate.Every(cooldown), 1)}
	keys, err := keyfunc.NewDefaultOverrideCtx(t.Context(), []string{s.url("/jwks.json")}, override)
	if err != nil {
		t.Fatal(err)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(s.url("")), jwt.WithAudience(audience), jwt.WithExpirationRequired())
	return verifier{"keyfunc", func(token string) error {
		_, err := parser.Parse(token, keys.Keyfunc)
		return err
	}}
}

func joseVerifier(t *testing.T, s *server, cooldown, cache time.Duration) verifier {
	node := testenv.Need(t, testenv.Node)
	testenv.NeedNodeModules(t, "../interop/js")
	args := []string{"../interop/js/serve.mjs", s.url("/jwks.json"), s.url(""), audience}
	if cooldown > 0 { // else jose's own defaults
		args = append(args, strconv.FormatInt(cooldown.Milliseconds(), 10), strconv.FormatInt(cache.Milliseconds(), 10))
	}
	cmd := exec.Command(node, args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); cmd.Wait() })
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := "http://127.0.0.1:" + strings.TrimSpace(port)
	return verifier{"jose", func(token string) error {
		res, err := http.Post(url, "text/plain", strings.NewReader(token))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d: %s", res.StatusCode, text)
		}
		return nil
	}}
}

// watchKeys asks every watchEvery, and on a busy machine sees an answer as much
// as watchSlack after the key was published.
const (
	watchEvery = 50 * time.Millisecond
	watchSlack = 2500 * time.Millisecond
)

// watchKeys notes when each kid is first seen in the set, until the function it
// answers is called.
func watchKeys(t *testing.T, s *server) (stop func() map[string]time.Time) {
	ctx, cancel := context.WithCancel(t.Context())
	seen := map[string]time.Time{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for ctx.Err() == nil {
			a, err := call(ctx, "GET", s.url("/jwks.json"), "", nil)
			var set struct{ Keys []struct{ Kid string } }
			if err == nil && json.Unmarshal(a.body, &set) == nil {
				for _, k := range set.Keys {
					if _, ok := seen[k.Kid]; !ok {
						seen[k.Kid] = time.Now()
					}
				}
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	return func() map[string]time.Time { cancel(); <-done; return seen }
}

// load32 lets 32 clients sign in, refresh and show each token to every verifier
// for a while. It answers when each kid was first seen to sign.
func load32(t *testing.T, s *server, verifiers []verifier, length time.Duration) map[string]time.Time {
	t.Helper()
	signed := map[string]time.Time{}
	var mu sync.Mutex
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	use := func(token string) {
		kid := kidOf(token)
		mu.Lock()
		if _, ok := signed[kid]; !ok {
			signed[kid] = time.Now()
		}
		mu.Unlock()
		for _, v := range verifiers {
			if err := v.verify(token); err != nil {
				t.Errorf("%s refuses a token of key %s: %v", v.name, kid, err)
			}
		}
	}
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() { client(ctx, t, s, use) })
	}
	wg.Wait()
	return signed
}

// client signs in and refreshes twenty times, and again. Where more sign in at
// once than the machine can hash passwords for, some are told to come back.
func client(ctx context.Context, t *testing.T, s *server, use func(token string)) {
	credentials := map[string]string{"email": adminEmail, "password": adminPassword, "audience": audience}
	for ctx.Err() == nil {
		body, path := credentials, "/v1/login"
		for range 20 {
			if ctx.Err() != nil {
				return
			}
			a, err := call(t.Context(), "POST", s.url(path), "", body)
			if err == nil && a.status == http.StatusServiceUnavailable && path == "/v1/login" {
				break
			}
			var out tokens
			if err != nil || a.status != 200 || json.Unmarshal(a.body, &out) != nil {
				t.Errorf("%s: %d %s %v", path, a.status, a.body, err)
				return
			}
			use(out.AccessToken)
			body, path = map[string]string{"refresh_token": out.RefreshToken}, "/v1/refresh"
			select { // the pace of a client, not a wait for anything
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

func kidOf(token string) string {
	header, _, _ := strings.Cut(token, ".")
	text, _ := base64.RawURLEncoding.DecodeString(header)
	var h struct{ Kid string }
	json.Unmarshal(text, &h)
	return h.Kid
}

// inOrder lists kids by the time at which they were first seen to sign.
func inOrder(signed map[string]time.Time) []string {
	kids := slices.Collect(maps.Keys(signed))
	slices.SortFunc(kids, func(a, b string) int { return signed[a].Compare(signed[b]) })
	return kids
}
