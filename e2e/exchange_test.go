package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	ordersAPI = "https://orders.example"
	stockAPI  = "https://stock.example"
)

// startExchange starts one of the two services of the example.
func startExchange(t testing.TB, s *server, bin, role string, env []string, flags ...string) string {
	t.Helper()
	cmd := exec.Command(bin, append([]string{role, "-issuer", s.url("")}, flags...)...)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		if bytes.Contains(stderr.Bytes(), []byte("eyJ")) {
			t.Errorf("the %s service logs a token: %s", role, &stderr)
		}
	})
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	address := regexp.MustCompile(`^listening on (http://\S+) for tokens`).FindStringSubmatch(line)
	if address == nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("examples/exchange %s did not start: %q\n%s", role, line, &stderr)
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	return address[1]
}

// TestExchangeExample: a person calls one service, which calls another for them
// with a token of its own; when the person signs out both tokens die.
func TestExchangeExample(t *testing.T) {
	s := running(t)
	admin := s.signIn("").AccessToken
	for _, api := range []string{ordersAPI, stockAPI} {
		s.must(201, "POST", "/v1/admin/apis", admin, map[string]string{"audience": api})
	}
	secret := s.service("orders", map[string]any{
		"grant_types": []string{"urn:ietf:params:oauth:grant-type:token-exchange"}, "audiences": []string{ordersAPI, stockAPI}})
	bin := filepath.Join(t.TempDir(), "exchange")
	if out, err := exec.Command("go", "build", "-o", bin, "../examples/exchange").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	stock := startExchange(t, s, bin, "stock", nil)
	orders := startExchange(t, s, bin, "orders", []string{"CLIENT_SECRET=" + secret}, "-stock-url", stock)

	held := s.signIn(ordersAPI)
	ask := func(address, token string) (int, string) {
		a, err := call(t.Context(), "GET", address, token, nil)
		if err != nil {
			t.Fatal(err)
		}
		return a.status, string(a.body)
	}
	status, body := ask(orders+"/orders", held.AccessToken)
	if want := regexp.MustCompile(`^orders of (usr_\S+); 7 left, says stock to orders for (usr_\S+)\n$`).FindStringSubmatch(body); status != http.StatusOK || want == nil || want[1] != want[2] {
		t.Fatalf("%d %q", status, body)
	}
	if status, body := ask(stock+"/stock", held.AccessToken); status != http.StatusUnauthorized {
		t.Errorf("stock takes the token that is for orders: %d %q", status, body)
	}
	status, further := s.exchange(secret, held.AccessToken)
	if status != http.StatusOK {
		t.Fatalf("the exchange: %d", status)
	}
	if status, body := ask(stock+"/stock", further); status != http.StatusOK {
		t.Fatalf("the exchanged token at stock: %d %q", status, body)
	}
	s.must(200, "POST", "/v1/logout", held.AccessToken, nil)
	for what, where := range map[string][2]string{"orders": {orders + "/orders", held.AccessToken}, "stock": {stock + "/stock", further}} {
		s.eventually(fmt.Sprintf("%s refuses after the log-out", what), func() bool {
			status, _ := ask(where[0], where[1])
			return status == http.StatusUnauthorized
		})
	}
	if status, _ := s.exchange(secret, held.AccessToken); status != http.StatusBadRequest {
		t.Errorf("the exchange after the log-out: %d", status)
	}
}

// exchange exchanges a token for one for stock, as orders.
func (s *server) exchange(secret, token string) (status int, further string) {
	s.t.Helper()
	form := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {token},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}, "audience": {stockAPI},
	}
	req, err := http.NewRequestWithContext(s.t.Context(), "POST", s.url("/oauth/token"), strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("orders", secret)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, answer.Token
}

// eventually waits until what other processes do has happened.
func (s *server) eventually(what string, done func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if done() {
			return
		}
	}
	s.t.Errorf("not within 20 s: %s", what)
}
