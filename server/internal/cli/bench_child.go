package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/config"
	"github.com/writ-auth/writ/server/internal/load"
)

// benchChildCmd is what bench starts beside itself: another command of this
// program, or without one a server of the bare handlers. It ends with its
// standard input, and so with the one who started it, whatever became of that.
type benchChildCmd struct {
	Args []string `arg:"" optional:"" passthrough:""`
}

// Run carries the command out until standard input ends.
func (c benchChildCmd) Run(ctx context.Context, p *program) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, p.Stdin) // nothing comes; its end is what counts
		cancel()
	}()
	if len(c.Args) == 0 {
		return p.serveBare(ctx)
	}
	inner := &program{Environment: p.Environment}
	inner.Args = c.Args
	return inner.run(ctx)
}

// serveBare serves load.Baselines and says where.
func (p *program) serveBare(ctx context.Context) error {
	handler, err := load.Baselines()
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	fmt.Fprintf(p.Stdout, "{\"listen\":%q}\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// child is a process that bench started.
type child struct {
	command *exec.Cmd
	stdin   io.Closer
	started
	address string // its URL
}

// startChild starts this program again, on processors of its own, and waits
// until it says where it listens. Its log goes to the file, if there is one.
func (b *benchRun) startChild(ctx context.Context, dir string, log io.Writer, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	line := append([]string{self, "bench-child"}, args...)
	if program := taskset(); b.ServerCPUs != "" && program != "" {
		line = append([]string{program, "-c", b.ServerCPUs}, line...)
	}
	c := &child{command: exec.CommandContext(ctx, line[0], line[1:]...)}
	c.command.Dir, c.command.Stderr = dir, log
	c.command.Env = withoutSettings(b.Environ)
	if c.stdin, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.command.Cancel = c.stdin.Close
	c.command.WaitDelay = 20 * time.Second
	if err := c.command.Start(); err != nil {
		return nil, err
	}
	b.closers = append(b.closers, c.stop)
	b.children = append(b.children, c)
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&c.started); err != nil {
		return nil, errors.New("it did not start")
	}
	c.address = "http://" + c.Listen
	return c, nil
}

// stop ends the child and waits for it.
func (c *child) stop() error {
	_ = c.stdin.Close()
	err := c.command.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil // it was told to end
	}
	return err
}

// withoutSettings is the environment without what would set up a server.
func withoutSettings(environ []string) (out []string) {
	for _, line := range environ {
		if !strings.HasPrefix(line, "WRIT_") {
			out = append(out, line)
		}
	}
	return out
}

// startServer starts a server as writ serve does, log and all, in a directory
// that goes when the run ends.
func (b *benchRun) startServer(ctx context.Context) (base string, err error) {
	dir, err := os.MkdirTemp("", "writ-bench-")
	if err != nil {
		return "", err
	}
	b.closers = append(b.closers, func() error { return os.RemoveAll(dir) })
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return "", err
	}
	b.closers = append(b.closers, log.Close)
	args := []string{"serve", "--json", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data", dir}
	database, err := b.database(dir)
	if err != nil {
		return "", err
	}
	args = append(args, database...)
	if b.Flood > 0 {
		args = append(args, "--trusted-proxies", "127.0.0.1/32")
	}
	if b.Profile != "" {
		args = append(args, "--pprof", "on")
	}
	b.tell("starting a server")
	if b.server, err = b.startChild(ctx, dir, log, args...); err != nil {
		text, _ := os.ReadFile(log.Name())
		return "", fmt.Errorf("start a server: %w: %s", err, oneLine(string(text)))
	}
	cfg := &config.Config{Data: dir}
	for giveUp := b.Now().Add(10 * time.Second); b.Now().Before(giveUp); time.Sleep(5 * time.Millisecond) {
		if running, err := socketRuns(cfg); err != nil || running {
			break // the socket comes a moment after the ports
		}
	}
	b.admin = socketClient(app.SocketPath(cfg))
	b.closers = append(b.closers, b.admin.close)
	return b.server.address, nil
}

func (b *benchRun) startBare(ctx context.Context) (*child, error) {
	c, err := b.startChild(ctx, "", io.Discard)
	if err != nil {
		return nil, fmt.Errorf("start the bare handlers: %w", err)
	}
	return c, nil
}

// socketAdmin is the administration of the server of the data directory.
func (b *benchRun) socketAdmin(ctx context.Context) (*adminClient, error) {
	cfg, err := b.loadConfig(b.Settings)
	if err != nil {
		return nil, err
	}
	client, err := running(ctx, cfg)
	if err == nil && client == nil {
		err = fmt.Errorf("no server runs on %s; start it with writ serve, name its directory with --data, put an administrator's token into WRIT_ADMIN_TOKEN, or measure a server of its own with --local", cfg.Data)
	}
	return client, err
}

// taskset is the program that chooses processors, "" where there is none.
func taskset() string {
	path, err := exec.LookPath("taskset")
	if err != nil {
		return ""
	}
	return path
}

// pinSelf moves this process, with all its threads, to processors.
func pinSelf(ctx context.Context, list string) error {
	if taskset() == "" {
		return errors.New("there is no taskset here to choose processors with; leave out --load-cpus and --server-cpus")
	}
	out, err := exec.CommandContext(ctx, taskset(), "-a", "-c", "-p", list, strconv.Itoa(os.Getpid())).CombinedOutput()
	if err != nil {
		return fmt.Errorf("--load-cpus %s: %s", list, oneLine(string(out)))
	}
	runtime.GOMAXPROCS(processors(list))
	return nil
}

// processors is how many a list such as "1,4-7" names.
func processors(list string) (n int) {
	for part := range strings.SplitSeq(list, ",") {
		from, to, span := strings.Cut(part, "-")
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if n++; span && err1 == nil && err2 == nil && last > first {
			n += last - first
		}
	}
	return n
}

// dir is where Linux tells of the child.
func (c *child) dir() string { return filepath.Join("/proc", strconv.Itoa(c.command.Process.Pid)) }

// process reads what Linux says of the child, and of what that has started;
// elsewhere nobody knows.
func (c *child) process() load.Process {
	dir := c.dir()
	if _, err := processorTime(dir); err != nil {
		return load.Process{}
	}
	return load.Process{
		CPU:    func() (time.Duration, error) { return family(dir, processorTime) },
		Memory: func() (int64, error) { return family(dir, residentMemory) },
	}
}

// family adds up a process and its children.
func family[N int64 | time.Duration](dir string, of func(dir string) (N, error)) (N, error) {
	total, err := of(dir)
	lists, _ := filepath.Glob(filepath.Join(dir, "task", "*", "children")) // the pattern is right
	for _, path := range lists {
		text, _ := os.ReadFile(path) // of a thread that may have ended
		for _, pid := range strings.Fields(string(text)) {
			if n, err := of(filepath.Join("/proc", pid)); err == nil { // else it has ended
				total += n
			}
		}
	}
	return total, err
}

// processorTime adds up what the threads have used, in nanoseconds: the first
// field of each one's schedstat. Go's threads live as long as their process.
func processorTime(dir string) (total time.Duration, err error) {
	threads, err := filepath.Glob(filepath.Join(dir, "task", "*", "schedstat"))
	if err == nil && len(threads) == 0 {
		err = fmt.Errorf("%s has no threads", dir)
	}
	for _, path := range threads {
		text, e := os.ReadFile(path)
		if errors.Is(e, fs.ErrNotExist) {
			continue // one that has just ended
		}
		used, _, _ := strings.Cut(string(text), " ")
		n, e2 := strconv.ParseInt(used, 10, 64)
		total += time.Duration(n)
		err = errors.Join(err, e, e2)
	}
	return total, err
}

func residentMemory(dir string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s does not say", dir)
}
