package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// A checkpointer moves what was committed from SQLite's write-ahead log into
// the file, on a connection of its own beside the writer. SQLite would do so
// within a commit, each time when the log has grown by a thousand pages. With
// millions of sessions hardly two of these are the same, and all who wait for
// that commit would wait until the disk has them all.
//
// The writer begins the log anew once all of it is in the file. Under a load
// without pause the checkpointer may never come so far, so the writer does the
// rest, at checkpointLate pages: that is what came in the last moments. In a
// small file it does it all: a thousand pages of the log are a few of the file.
type checkpointer struct {
	file    original
	logger  *slog.Logger
	failing bool          // the last time
	small   int64         // size of a file below which it does nothing
	db      *sql.DB       // of one connection
	news    chan struct{} // of one: something was committed
	quit    chan struct{}
	stopped chan struct{}
	once    sync.Once
}

const (
	checkpointSoon, checkpointLate = 800, 1500 // pages in the log
	// checkpointPause is how often the log is looked at while somebody writes.
	checkpointPause = 50 * time.Millisecond
	smallFile       = 64 << 20 // bytes
)

func newCheckpointer(file original, small int64, logger *slog.Logger) (*checkpointer, error) {
	conn, err := connector(file.path, "busy_timeout(5000)", "synchronous(FULL)", "cache_size(-100)", "wal_autocheckpoint(0)")
	if err != nil {
		return nil, err
	}
	c := &checkpointer{
		file:    file,
		logger:  logger,
		small:   small,
		db:      connectTo(conn, 1),
		news:    make(chan struct{}, 1),
		quit:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	go c.loop()
	return c, nil
}

// committed says that the log may have grown.
func (c *checkpointer) committed() {
	if c == nil {
		return
	}
	select {
	case c.news <- struct{}{}:
	default:
	}
}

func (c *checkpointer) loop() {
	defer close(c.stopped)
	for {
		select {
		case <-c.news:
		case <-c.quit:
			return
		}
		select {
		case <-time.After(checkpointPause):
		case <-c.quit:
			return
		}
		c.say(c.catchUp(context.Background()))
	}
}

// say tells the operator, once, that the log grows without end, and that it no
// longer does. Nobody else learns of it: a commit needs room in the log alone,
// and SQLite keeps what its own checkpoints meet to itself.
func (c *checkpointer) say(err error) {
	switch {
	case errors.Is(err, ErrMoved) && !c.failing:
		c.logger.Error("the database was moved or deleted while it is open: put it back before the server stops, or what was committed since is lost", "error", err)
	case err != nil && !c.failing:
		c.logger.Warn("what was committed can't be moved from the write-ahead log into the database; it is safe, and the log grows", "path", c.file.path, "error", err)
	case err == nil && c.failing:
		c.logger.Info("the write-ahead log is moved into the database again", "path", c.file.path)
	}
	c.failing = err != nil
}

// catchUp moves what the file has not, if the log is long.
func (c *checkpointer) catchUp(ctx context.Context) error {
	info, err := c.file.inPlace()
	if err != nil || info.Size() < c.small {
		return err
	}
	inLog, moved, err := c.checkpoint(ctx, "NOOP")
	if err == nil && inLog >= checkpointSoon && moved < inLog {
		_, _, err = c.checkpoint(ctx, "PASSIVE")
	}
	return err
}

// checkpoint answers how many pages are in the log, and how many of them in the
// file, too.
func (c *checkpointer) checkpoint(ctx context.Context, mode string) (inLog, moved int, err error) {
	var busy int
	err = c.db.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &inLog, &moved)
	return inLog, moved, err
}

func (c *checkpointer) close() error {
	if c == nil {
		return nil
	}
	c.once.Do(func() { close(c.quit) })
	<-c.stopped
	return c.db.Close()
}
