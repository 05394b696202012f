package main

import (
	"os/exec"
	"strings"
	"testing"
)

// reportOf reads a stream of events and closes the report as after a go test
// that ended with status.
func reportOf(t *testing.T, stream string, status int) (text string, code int) {
	t.Helper()
	var out strings.Builder
	rep := newReport(&out)
	if err := rep.read(strings.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	code = rep.close(status)
	return out.String(), code
}

func TestReport(t *testing.T) {
	tests := []struct {
		name, stream string
		status       int
		want         string
		wantStatus   int
	}{
		{
			name: "a passing test says nothing",
			stream: `{"Action":"output","Package":"p","Test":"TestA","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
{"Action":"output","Package":"q","Output":"?   \tq\t[no test files]\n"}
{"Action":"skip","Package":"q"}`,
			want: "ok  \tp\t0.1s\n1 passed, 0 failed, 0 skipped\n",
		},
		{
			name: "a failing test prints what it wrote",
			stream: `{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: got 1, want 2\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- FAIL: TestA (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}`,
			status: 1,
			want: "=== RUN   TestA\n    a_test.go:7: got 1, want 2\n--- FAIL: TestA (0.00s)\nFAIL\tp\t0.1s\n" +
				"0 passed, 1 failed, 0 skipped\n",
			wantStatus: 1,
		},
		{
			name: "a skipped test gives its reason at the end",
			stream: `{"Action":"output","Package":"p","Test":"TestJS","Output":"=== RUN   TestJS\n"}
{"Action":"output","Package":"p","Test":"TestJS","Output":"    a_test.go:7: node is not installed\n"}
{"Action":"output","Package":"p","Test":"TestJS","Output":"--- SKIP: TestJS (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestJS"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}`,
			want: "ok  \tp\t0.1s\n\nskipped:\n  TestJS (p): node is not installed\n\n1 passed, 0 failed, 1 skipped\n",
		},
		{
			name: "a test that never ended is printed when its package fails",
			stream: `{"Action":"output","Package":"p","Test":"TestA","Output":"panic: boom\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}`,
			status:     1,
			want:       "FAIL\tp\t0.1s\npanic: boom\n0 passed, 1 failed, 0 skipped\n",
			wantStatus: 1,
		},
		{
			name: "a package that doesn't build is a failure",
			stream: `{"ImportPath":"p","Action":"build-output","Output":"p.go:1: undefined: x\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p"}`,
			status:     1,
			want:       "p.go:1: undefined: x\nFAIL\tp [build failed]\n0 passed, 1 failed, 0 skipped\n",
			wantStatus: 1,
		},
		{
			name:       "a line that is no event passes through",
			stream:     "go: something is wrong\n",
			status:     2,
			want:       "go: something is wrong\n0 passed, 0 failed, 0 skipped\n",
			wantStatus: 2,
		},
		{
			name:       "a run without a test is no success",
			stream:     `{"Action":"skip","Package":"q"}`,
			want:       "no test ran\n0 passed, 0 failed, 0 skipped\n",
			wantStatus: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, status := reportOf(t, tt.stream, tt.status)
			if got != tt.want || status != tt.wantStatus {
				t.Errorf("status %d, report:\n%s\nwant status %d, report:\n%s", status, got, tt.wantStatus, tt.want)
			}
		})
	}
}

func TestExitStatus(t *testing.T) {
	tests := []struct {
		script string
		want   int
	}{
		{"exit 0", 0},
		{"exit 1", 1},
		{"exit 2", 2},
		{"kill -9 $$", 1},
	}
	for _, tt := range tests {
		got, err := exitStatus(exec.Command("sh", "-c", tt.script).Run())
		if got != tt.want || err != nil {
			t.Errorf("%s: status %d, error %v; want %d", tt.script, got, err, tt.want)
		}
	}
	if got, err := exitStatus(exec.Command("/nonexistent").Run()); got == 0 || err == nil {
		t.Errorf("a program that can't be started: status %d, error %v; want both", got, err)
	}
}
