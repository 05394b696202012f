package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// What bounds the wait for a database that doesn't answer, and for a node that
// has stopped in the middle of a transaction: within seconds the others either
// go on or say that they can't. A DSN may set the last three otherwise, as
// parameters of their names: ?statement_timeout=10s.
const (
	connectTimeout = 3 * time.Second
	answerTimeout  = 5 * time.Second // for the answer to what was sent; more than the server allows a statement
	pingTimeout    = time.Second     // for a connection that was idle to show that it is good

	idleInTransaction = "2000" // milliseconds; a stopped node's locks are free after it
	lockTimeout       = "3000" // more than that, so that those who wait for them go on
	statementTimeout  = "4000"
)

// defaultPool is how many connections a node's pool has; pool_max_conns in the
// DSN sets another number. One more writes, one listens, and on a few the
// refreshes go together (laneCount).
const defaultPool = 16

// openPostgres opens the database, which others may have open too.
func (s *Store) openPostgres(ctx context.Context, o Options) error {
	config, err := pgx.ParseConfig(o.DSN)
	if err != nil {
		return fmt.Errorf("store: %w", err) // pgx leaves passwords out
	}
	if o.Readers, err = poolSize(config, o.Readers); err != nil {
		return err
	}
	config.ConnectTimeout = connectTimeout
	config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite // never a replica
	s.link, s.node = newLink(), newNode()
	s.path = net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))) + "/" + config.Database
	if s.now == nil {
		s.now = s.clock.now
	}
	if err := s.prepareDatabase(ctx, config, o); err != nil {
		return fmt.Errorf("%w (database %s)", err, s.path)
	}
	bounded := impatient(config)
	if s.follower, err = s.follow(ctx, config, o.Guest); err != nil {
		return err
	}
	connector := stdlib.GetConnector(*bounded, stdlib.OptionShouldPing(pingIdle),
		stdlib.OptionResetSession(func(_ context.Context, c *pgx.Conn) error {
			if c.IsClosed() {
				return driver.ErrBadConn
			}
			return nil
		}))
	writing := stdlib.GetConnector(*bounded)
	if o.wrap != nil {
		writing = o.wrap(writing)
	}
	if err := s.start(ctx, connectTo(writing, 1), connectTo(connector, o.Readers), o); err != nil {
		s.follower.close()
		return err
	}
	s.lanes, err = newLanes(s, &bounded.Config)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// poolSize takes pool_max_conns out of the DSN's parameters.
func poolSize(config *pgx.ConnConfig, given int) (int, error) {
	const name = "pool_max_conns"
	text, ok := config.RuntimeParams[name]
	delete(config.RuntimeParams, name)
	if !ok {
		return given, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1000 {
		return 0, fmt.Errorf("store: %s must be a number from 1 to 1000", name)
	}
	return n, nil
}

// impatient is config for connections that give up. The limits of the server
// hold where the server is there to keep them; the connection's own where it
// isn't.
//
// Every hot statement finds its rows by an index, and is planned once for each
// connection. A plan made while a table is small, by reading all of it, would be
// kept while it grows, and planning costs many times what the statement does.
func impatient(config *pgx.ConnConfig) *pgx.ConnConfig {
	config = config.Copy()
	settings := map[string]string{
		"idle_in_transaction_session_timeout": idleInTransaction,
		"lock_timeout":                        lockTimeout,
		"statement_timeout":                   statementTimeout,
		"default_transaction_isolation":       "read committed",
		"plan_cache_mode":                     "force_generic_plan",
		"enable_seqscan":                      "off",
		"jit":                                 "off",
		"application_name":                    "writ",
	}
	maps.Copy(settings, config.RuntimeParams)
	config.RuntimeParams = settings
	dialer := &net.Dialer{
		Timeout:         connectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3},
	}
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &boundedConn{conn}, nil
	}
	return config
}

// boundedConn is a connection on which every answer has to come in time. It
// costs less than a context with a deadline for each statement.
type boundedConn struct{ net.Conn }

func (c *boundedConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// pingIdle looks whether a connection is good that was idle for a while, and
// closes it if not: the driver's own ping would wait for as long as a statement
// may take, one connection after the other.
func pingIdle(ctx context.Context, p stdlib.ShouldPingParams) bool {
	if p.IdleDuration <= time.Second {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if p.Conn.Ping(ctx) != nil {
		p.Conn.Close(ctx)
	}
	return false
}

// prepareDatabase looks at the database and brings its schema up to date.
// Connections for it are as patient as a migration may be long.
func (s *Store) prepareDatabase(ctx context.Context, config *pgx.ConnConfig, o Options) (err error) {
	db := connectTo(stdlib.GetConnector(*config), 2)
	defer func() { err = errors.Join(err, db.Close()) }()
	schema, err := suitable(ctx, db, config)
	if err != nil {
		return err
	}
	s.engine = postgresEngine(channelOf(schema))
	return s.migrateOne(ctx, db, o)
}

// suitable checks what the promises of the store hang on, and answers the schema.
func suitable(ctx context.Context, db *sql.DB, config *pgx.ConnConfig) (schema string, err error) {
	const query = `SELECT current_setting('server_encoding'), current_setting('synchronous_commit'),
		current_setting('server_version_num')::BIGINT, COALESCE(current_schema(), '')`
	var encoding, commit string
	var version int64
	if err := db.QueryRowContext(ctx, query).Scan(&encoding, &commit, &version, &schema); err != nil {
		return "", classify(err)
	}
	switch {
	case encoding != "UTF8":
		return "", fmt.Errorf("store: the database's encoding is %s; make one with UTF8", encoding)
	case version < 13_00_00:
		return "", fmt.Errorf("store: PostgreSQL %d is too old; 13 or newer is needed", version/10000)
	case schema == "":
		return "", errors.New("store: the user's search_path names no schema that is there")
	}
	if _, given := config.RuntimeParams["synchronous_commit"]; commit == "off" && !given {
		config.RuntimeParams["synchronous_commit"] = "on" // an answer is a promise that the disk keeps
	}
	return schema, nil
}

// ownSchema refuses a schema in which others have tables: ours have names that
// theirs may have too.
func ownSchema(ctx context.Context, db *sql.DB) error {
	const query = `SELECT COUNT(*) FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm')
		AND relnamespace = current_schema()::regnamespace AND relname <> 'goose_db_version'`
	var n int64
	if err := db.QueryRowContext(ctx, query).Scan(&n); err != nil {
		return classify(err)
	}
	if n > 0 {
		return fmt.Errorf("%w: its schema holds other tables; give Writ a database or schema of its own", ErrForeign)
	}
	return nil
}

// migrateOne is migrate for one node at a time: the others wait, and find it
// done.
func (s *Store) migrateOne(ctx context.Context, db *sql.DB, o Options) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return classify(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(lockMigrate)); err != nil {
		return classify(err)
	}
	err = s.migrateLocked(ctx, db, o)
	// Not ctx: the lock must not outlast this.
	_, unlock := conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(lockMigrate))
	return errors.Join(err, classify(unlock))
}

func (s *Store) migrateLocked(ctx context.Context, db *sql.DB, o Options) error {
	version, err := s.engine.schemaVersion(ctx, db)
	switch {
	case err != nil:
		return classify(err)
	case version == 0 && o.Existing:
		return ErrEmpty
	case version == 0:
		if err := ownSchema(ctx, db); err != nil {
			return err
		}
	}
	return s.migrate(ctx, db, o.Logger)
}
