package browser

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/testenv"
)

// chromium is the browser that all tests share: it takes a second to start.
type chromium struct {
	mu     sync.Mutex
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

func startChromium(node, program string) (*chromium, error) {
	c := &chromium{cmd: exec.Command(node, "driver.mjs", program)}
	c.cmd.Dir = "js"
	c.cmd.Stderr = &c.stderr
	in, inErr := c.cmd.StdinPipe()
	out, outErr := c.cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, c.cmd.Start()); err != nil {
		return nil, err
	}
	c.in, c.out = in, bufio.NewReader(out)
	return c, nil
}

// stop ends the browser, after a while by force.
func (c *chromium) stop() {
	c.in.Close()
	force := time.AfterFunc(5*time.Second, func() { c.cmd.Process.Kill() })
	defer force.Stop()
	c.cmd.Wait()
}

// do carries out a command of driver.mjs, whose answer dst takes.
func (c *chromium) do(command map[string]any, dst any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	line, err := json.Marshal(command)
	if err != nil {
		return err
	}
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("the driver is gone: %w\n%s", err, c.stderr.String())
	}
	line, err = c.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the driver is gone: %w\n%s", err, c.stderr.String())
	}
	var answer struct {
		Value json.RawMessage
		Error string
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return fmt.Errorf("the driver answered %s: %w", line, err)
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	if dst == nil {
		return nil
	}
	return json.Unmarshal(answer.Value, dst)
}

// profile is a browser profile: what one person's browser remembers.
type profile struct {
	t  testing.TB
	c  *chromium
	id int
}

// needBrowser starts Chromium, unless it runs, or ends the test as
// testenv.Need does.
func needBrowser(t testing.TB) *chromium {
	t.Helper()
	program := testenv.Need(t, testenv.Chromium)
	node := testenv.NeedNodeModules(t, "js")
	c, err := shared.browser(node, program)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newProfile makes an empty profile, with the options of Playwright's
// newContext.
func newProfile(t testing.TB, options map[string]any) *profile {
	t.Helper()
	p := &profile{t: t, c: needBrowser(t)}
	p.do(map[string]any{"do": "profile", "options": options}, &p.id)
	t.Cleanup(func() { p.do(map[string]any{"do": "close", "profile": p.id}, nil) })
	return p
}

func (p *profile) do(command map[string]any, dst any) {
	p.t.Helper()
	if err := p.c.do(command, dst); err != nil {
		p.t.Fatalf("%v: %v", command["do"], err)
	}
}

// cookie is a cookie as Chromium stores it.
type cookie struct {
	Name, Value, Domain, Path, SameSite string
	Expires                             float64
	HTTPOnly                            bool `json:"httpOnly"`
	Secure                              bool
}

// cookies are all that the profile has, by name. Two of a name fail the test.
func (p *profile) cookies() map[string]cookie {
	p.t.Helper()
	var all []cookie
	p.do(map[string]any{"do": "cookies", "profile": p.id}, &all)
	named := map[string]cookie{}
	for _, c := range all {
		if _, twice := named[c.Name]; twice {
			p.t.Errorf("Chromium has the cookie %s twice: %v", c.Name, all)
		}
		named[c.Name] = c
	}
	return named
}

// forgets waits until Chromium itself has thrown a cookie away, which is over.
func (p *profile) forgets(name string) {
	p.t.Helper()
	p.do(map[string]any{"do": "forgotten", "profile": p.id, "cookie": name}, nil)
}

// tab is a tab of a profile.
type tab struct {
	*profile
	id int
}

// visit is where a tab arrived.
type visit struct {
	URL    string
	Status int
}

// open makes a tab that shows a URL.
func (p *profile) open(url string) *tab {
	p.t.Helper()
	b := &tab{profile: p}
	p.do(map[string]any{"do": "tab", "profile": p.id}, &b.id)
	b.visit(url)
	return b
}

func (b *tab) visit(url string) (v visit) {
	b.t.Helper()
	b.do(map[string]any{"do": "open", "tab": b.id, "url": url}, &v)
	return v
}

// run calls a JavaScript function in the page; dst takes what it answers.
func (b *tab) run(dst any, function string, arg any) {
	b.t.Helper()
	b.do(map[string]any{"do": "run", "tab": b.id, "text": function, "arg": arg}, dst)
}

// until calls a JavaScript function in the page, which may just be loading, until
// holds, a JavaScript function of what that one answers and of arg, says that this
// is it. If it never is, the test fails and says what was seen last. dst takes
// the answer.
func (b *tab) until(what string, dst any, function, holds string, arg any) {
	b.t.Helper()
	if err := b.c.do(map[string]any{"do": "until", "tab": b.id, "text": function, "holds": holds, "arg": arg}, dst); err != nil {
		b.t.Fatalf("%s: want %v: %v", what, arg, err)
	}
}

// leave calls a JavaScript function that makes the tab go elsewhere.
func (b *tab) leave(function string, arg any) (v visit) {
	b.t.Helper()
	b.do(map[string]any{"do": "leave", "tab": b.id, "text": function, "arg": arg}, &v)
	return v
}

// frames are the URLs of the page and of what it frames, as the browser has
// them: more than the page itself can tell.
func (b *tab) frames() (urls []string) {
	b.t.Helper()
	b.do(map[string]any{"do": "frames", "tab": b.id}, &urls)
	return urls
}

// request is a fetch of a page, with the Fetch standard's names.
type request struct {
	URL         string            `json:"url"`
	Method      string            `json:"method,omitempty"`
	Mode        string            `json:"mode,omitempty"`
	Credentials string            `json:"credentials,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Body        string            `json:"body,omitempty"`
}

// seen is what a page sees of an answer.
type seen struct {
	Failed string // why the browser kept it from the page whole
	Type   string // opaque: the page may not look into it
	Status int
	Body   string
}

const fetchScript = `async ({ url, ...init }) => {
	try {
		const res = await fetch(url, { ...init, signal: AbortSignal.timeout(15000) });
		return { type: res.type, status: res.status, body: await res.text() };
	} catch (error) {
		return { failed: String(error) };
	}
}`

func (b *tab) fetch(r request) (s seen) {
	b.t.Helper()
	b.run(&s, fetchScript, r)
	return s
}

// send sends JSON to the page's own origin, as an application's script does.
// A body of "" sends none.
func (b *tab) send(method, path, body string) seen {
	b.t.Helper()
	r := request{URL: path, Method: method, Body: body}
	if body != "" {
		r.Headers = map[string]string{"Content-Type": "application/json"}
	}
	return b.fetch(r)
}

// get decodes the answer.
func (s seen) get(t testing.TB, dst any) {
	t.Helper()
	if err := json.Unmarshal([]byte(s.Body), dst); err != nil {
		t.Fatalf("answer %+v: %v", s, err)
	}
}

// member is a text member of the answer, which may be a problem document.
func (s seen) member(name string) string {
	var members map[string]any
	json.Unmarshal([]byte(s.Body), &members)
	text, _ := members[name].(string)
	return text
}

// want fails the test unless the answer has the status and, where one is
// given, the code.
func (s seen) want(t testing.TB, what string, status int, code string) seen {
	t.Helper()
	if s.Status != status || code != "" && s.member("code") != code {
		t.Fatalf("%s: %+v, want %d %s", what, s, status, code)
	}
	return s
}

func (s seen) holds(text string) bool { return strings.Contains(s.Body, text) }
