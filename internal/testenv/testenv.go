// Package testenv says what a test needs of the machine it runs on.
//
// A test that needs a program which Go doesn't bring calls [Need]. Where the
// program is missing the test is skipped with the reason, so that everybody
// can run the suite; where the environment variable TEST_REQUIRE names it
// (TEST_REQUIRE=node,postgres) the test fails instead, so that a build server
// can't pass by skipping.
package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Tool is a program that a test may need. Its value is its name in
// TEST_REQUIRE.
type Tool string

// The tools that tests know.
const (
	Node     Tool = "node"     // Node.js, MinNode or newer
	Postgres Tool = "postgres" // the PostgreSQL server, to start a throwaway one
	Redis    Tool = "redis"    // the Redis or Valkey server, likewise
	Chromium Tool = "chromium" // the browser
	Python   Tool = "python"   // Python 3 with PyJWT and cryptography
	Strace   Tool = "strace"   // strace, on a machine where a process may be traced
	Unshare  Tool = "unshare"  // unshare, where everybody may mount in a namespace of their own
)

// MinNode is the oldest major version of Node.js that the JavaScript tests
// are written for.
const MinNode = 20

// Need returns the path of the tool's program. If the tool is missing it skips
// the test, or fails it where TEST_REQUIRE names the tool.
func Need(t testing.TB, tool Tool) string {
	t.Helper()
	path, err := find(tool)
	if err != nil {
		missing(t, tool, err.Error())
	}
	return path
}

// NeedNodeModules returns the path of Node.js, once the npm packages of dir, a
// folder with a package-lock.json, are installed. What is missing is treated
// as [Need] treats it.
func NeedNodeModules(t testing.TB, dir string) string {
	t.Helper()
	node := Need(t, Node)
	// npm writes this file when all packages are in their place.
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err != nil {
		missing(t, Node, "npm packages of "+dir+" are not installed (make npm installs them)")
	}
	return node
}

// missing ends the test. A skip must not be remembered by go test's cache,
// which doesn't notice a program installed later; so it reads a variable that
// has another value in each run of make test.
func missing(t testing.TB, tool Tool, reason string) {
	t.Helper()
	os.Getenv("TEST_RUN")
	required, err := required(os.Getenv("TEST_REQUIRE"), tool)
	switch {
	case err != nil:
		t.Fatal(err)
	case required:
		t.Fatalf("TEST_REQUIRE names %s: %s", tool, reason)
	default:
		t.Skip(reason)
	}
}

// required reports whether list, the value of TEST_REQUIRE, names the tool. A
// name that no tool has is an error: a misspelt one would require nothing.
func required(list string, tool Tool) (bool, error) {
	found := false
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		if programs(Tool(name)) == nil {
			return false, fmt.Errorf("TEST_REQUIRE: there is no tool %q", name)
		}
		found = found || Tool(name) == tool
	}
	return found, nil
}

// programs returns the names that the tool's program goes by, nil for a tool
// that doesn't exist.
func programs(tool Tool) []string {
	switch tool {
	case Node:
		return []string{"node", "nodejs"}
	case Postgres:
		return []string{"postgres"}
	case Redis:
		return []string{"valkey-server", "redis-server"}
	case Chromium:
		return []string{"chromium", "chromium-browser", "google-chrome"}
	case Python:
		// Debian's Python has Debian's PyJWT; one that comes first on the PATH may have none.
		return []string{"python3", "/usr/bin/python3"}
	case Strace:
		return []string{"strace"}
	case Unshare:
		return []string{"unshare"}
	}
	return nil
}

// find looks for a program that is usable, first on the PATH, then where Debian
// puts what it keeps off the PATH. If there are only others the error says what
// is wrong with the first.
func find(tool Tool) (string, error) {
	var unusable error
	for _, name := range programs(tool) {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if err = usable(tool, path); err == nil {
			return path, nil
		}
		if unusable == nil {
			unusable = err
		}
	}
	if unusable != nil {
		return "", unusable
	}
	if tool == Postgres {
		if all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres"); len(all) > 0 {
			return slices.Max(all), nil
		}
	}
	return "", fmt.Errorf("%s is not installed", tool)
}

// usable returns an error if the program is not what the tests need.
func usable(tool Tool, path string) error {
	switch tool {
	case Node:
		return usableNode(path)
	case Python:
		return usablePython(path)
	case Strace:
		return tried("can't trace a process", path, "-f", "-o", os.DevNull, path, "-V")
	case Unshare:
		return tried("can't mount in a namespace", path, "-rm", "mount", "-t", "tmpfs", "none", "/tmp")
	}
	return nil
}

func usableNode(path string) error {
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return fmt.Errorf("node --version: %w", err)
	}
	if major(string(out)) < MinNode {
		return fmt.Errorf("node %s is older than %d", strings.TrimSpace(string(out)), MinNode)
	}
	return nil
}

func usablePython(path string) error {
	if err := exec.Command(path, "-c", "import cryptography, jwt; jwt.PyJWKClient").Run(); err != nil {
		return fmt.Errorf("%s has no PyJWT with cryptography (Debian: python3-jwt, python3-cryptography)", path)
	}
	return nil
}

// tried tries a program out: many containers have it and forbid the system
// call that it is made of.
func tried(complaint, path string, args ...string) error {
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%s %s here: %w: %s", filepath.Base(path), complaint, err, line)
	}
	return nil
}

// major returns the first number of a version such as "v20.20.2", 0 if there
// is none.
func major(version string) int {
	first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(version), "v"), ".")
	n, err := strconv.Atoi(first)
	if err != nil {
		return 0
	}
	return n
}
