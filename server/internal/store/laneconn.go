package store

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// laneConn is a connection for the statements of a refresh, prepared, of
// which many are sent together. It knows the few types that they have, and takes
// PostgreSQL's own form of them: what package database/sql and the driver do to
// convert and to lock costs several times what the statements cost this node.
type laneConn struct {
	conn *pgconn.PgConn
	held, rotate,
	rotateRemembered *pgconn.StatementDescription

	pipeline *pgconn.Pipeline // what was added since the last Sync
	asked    int              // how many statements that is
	failed   error            // of adding them
	binary   []int16          // the form of all parameters and columns
	params   [][]byte
	room     []byte // of the parameters
	values   []driver.Value
	scan     *heldScan
}

func connectLane(config *pgconn.Config) (*laneConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	c := &laneConn{conn: conn, binary: []int16{pgtype.BinaryFormatCode}, room: make([]byte, 0, 512), scan: newHeldScan()}
	if c.held, err = conn.Prepare(ctx, "held", selectHeldShort+byHandle, nil); err == nil {
		c.rotate, err = conn.Prepare(ctx, "rotate", rotateOnce, nil)
	}
	if err == nil {
		c.rotateRemembered, err = conn.Prepare(ctx, "rotate remembered", rotateRemembered, nil)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *laneConn) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.conn.Close(ctx) // it is given up
}

// add adds a statement to those that are sent next. They are one transaction.
func (c *laneConn) add(text *pgconn.StatementDescription, args ...any) {
	if c.pipeline == nil {
		c.pipeline = c.conn.StartPipeline(context.Background())
	}
	c.params, c.room = c.params[:0], c.room[:0]
	for i, arg := range storedArgs(args) {
		param, err := c.encode(text.ParamOIDs[i], arg)
		if err != nil && c.failed == nil {
			c.failed = fmt.Errorf("store: parameter %d: %w", i+1, err)
		}
		c.params = append(c.params, param)
	}
	c.pipeline.SendQueryStatement(text, c.params, c.binary, c.binary) // copies
	c.asked++
}

// encode is the parameter's form for a column of a type.
func (c *laneConn) encode(kind uint32, arg any) ([]byte, error) {
	from := len(c.room)
	switch arg := arg.(type) {
	case int64:
		if kind == pgtype.Int8OID {
			c.room = binary.BigEndian.AppendUint64(c.room, uint64(arg))
			return c.room[from:], nil
		}
	case string:
		if kind == pgtype.TextOID {
			c.room = append(c.room, arg...)
			return c.room[from:], nil
		}
	case []byte:
		if kind == pgtype.ByteaOID {
			return arg, nil
		}
	}
	return nil, fmt.Errorf("a %T for the type %d", arg, kind)
}

// send sends what was added.
func (c *laneConn) send() error {
	if c.failed != nil {
		return c.failed // and the connection is given up
	}
	return c.pipeline.Sync()
}

// receive hands the row of each statement that has one to row, by the
// statement's number, and answers nil only when the transaction is committed.
// The values are good until row returns.
func (c *laneConn) receive(row func(i int, values []driver.Value) error) error {
	err := c.rows(row)
	// Reads to the end: only there is the transaction committed or not.
	if closed := c.pipeline.Close(); err == nil {
		err = closed
	}
	c.pipeline, c.asked = nil, 0
	return err
}

func (c *laneConn) rows(row func(i int, values []driver.Value) error) error {
	for i := range c.asked {
		results, err := c.pipeline.GetResults()
		if err != nil {
			return err
		}
		reader, ok := results.(*pgconn.ResultReader)
		if !ok {
			return fmt.Errorf("store: a %T in answer to a statement", results)
		}
		for reader.NextRow() {
			if err := c.decode(reader); err != nil {
				return err
			}
			if err := row(i, c.values); err != nil {
				return err
			}
		}
		if _, err := reader.Close(); err != nil {
			return err
		}
	}
	return nil
}

// decode puts the columns of a row into c.values.
func (c *laneConn) decode(reader *pgconn.ResultReader) error {
	c.values = c.values[:0]
	fields := reader.FieldDescriptions()
	for i, raw := range reader.Values() {
		value, err := columnOf(fields[i].DataTypeOID, raw)
		if err != nil {
			return fmt.Errorf("store: column %d: %w", i+1, err)
		}
		c.values = append(c.values, value)
	}
	return nil
}

func columnOf(kind uint32, raw []byte) (driver.Value, error) {
	switch {
	case raw == nil:
		return nil, nil
	case kind == pgtype.Int8OID && len(raw) == 8:
		return int64(binary.BigEndian.Uint64(raw)), nil
	case kind == pgtype.TextOID:
		return string(raw), nil
	case kind == pgtype.ByteaOID:
		return raw, nil
	}
	return nil, errors.New("not of a type that is known here")
}
