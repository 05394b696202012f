package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/writ-auth/writ/internal/testenv"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"writ": main})
}

// TestScripts runs the transcripts in testdata against the real main. Each has
// a directory of its own, no WRIT_ variable, and free ports in $PORT and $ADMIN.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			// Under the race detector every program would sleep for a second at its end.
			env.Setenv("GORACE", "atexit_sleep_ms=10")
			for _, name := range []string{"PORT", "ADMIN", "FREE"} {
				port, err := freePort()
				if err != nil {
					return err
				}
				env.Setenv(name, port)
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status": status, "await": await, "occupy": occupy, "flip": flip, "mode": mode, "capture": capture, "oneline": oneLine, "login": login,
			"detach": detach, "kid": keyID, "member": firstMember,
		},
	})
}

func freePort() (string, error) {
	port, err := testenv.FreePort()
	return strconv.Itoa(port), err
}

// status runs a program and wants an exit status: status 2 writ frobnicate.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status code program [argument …]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// await waits until a server answers at a URL.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await URL")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, args[0], nil)
		ts.Check(err)
		if res, err := http.DefaultClient.Do(req); err == nil {
			ts.Check(res.Body.Close())
			return
		}
		select { // the other process can't tell us when; this is not a guess at how long it takes
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	ts.Fatalf("nothing answers at %s", args[0])
}

// occupy takes a port of this machine until the script ends.
func occupy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: occupy port")
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+args[0])
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
}

// flip damages the page in the middle of a database.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: flip file")
	}
	const page = 4096
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	start := len(data) / page / 2 * page
	for i := start; i < start+page; i++ {
		data[i] ^= 0xff
	}
	ts.Check(os.WriteFile(path, data, 0o600))
}

// mode wants the mode of a file: mode 0600 key.pem.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode octal file")
	}
	want, err := strconv.ParseUint(args[0], 8, 32)
	ts.Check(err)
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := uint64(info.Mode().Perm()); got != want {
		ts.Fatalf("%s has mode %04o, want %04o", args[1], got, want)
	}
}

// capture sets a variable to a file's text, without the line's end.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture variable file")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// oneLine wants the last program's standard error to be one line from writ.
func oneLine(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile("stderr")
	if neg || strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "writ: ") {
		ts.Fatalf("standard error is not one line of writ's: %q", text)
	}
}

// login signs in and sets a variable to the access token:
// login variable issuer email password [audience].
func login(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: login variable issuer email password [audience]")
	}
	body := map[string]string{"email": args[2], "password": args[3]}
	if len(args) > 4 {
		body["audience"] = args[4]
	}
	text, err := json.Marshal(body)
	ts.Check(err)
	res, err := http.Post(args[1]+"/v1/login", "application/json", bytes.NewReader(text))
	ts.Check(err)
	defer res.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	ts.Check(json.NewDecoder(res.Body).Decode(&answer))
	if res.StatusCode != http.StatusOK || answer.AccessToken == "" {
		ts.Fatalf("sign-in: status %d", res.StatusCode)
	}
	ts.Setenv(args[0], answer.AccessToken)
}

// keyID sets a variable to the key ID in a token's header: kid variable token.
func keyID(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: kid variable token")
	}
	head, _, _ := strings.Cut(args[1], ".")
	data, err := base64.RawURLEncoding.DecodeString(head)
	ts.Check(err)
	var header struct {
		KeyID string `json:"kid"`
	}
	ts.Check(json.Unmarshal(data, &header))
	ts.Setenv(args[0], header.KeyID)
}

// firstMember sets a variable to a member of the first item of a list in JSON:
// member variable name file.
func firstMember(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: member variable name file")
	}
	var list struct{ Items []map[string]any }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[2])), &list))
	if len(list.Items) == 0 {
		ts.Fatalf("%s has no items", args[2])
	}
	value, ok := list.Items[0][args[1]].(string)
	if !ok {
		ts.Fatalf("%s is no text: %v", args[1], list.Items[0])
	}
	ts.Setenv(args[0], value)
}
