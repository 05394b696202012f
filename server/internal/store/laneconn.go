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

// laneConn is a connection for the statements of refreshes (lanebatch.go),
// prepared. It knows the few types that they have, and takes
// PostgreSQL's own form of them: what package database/sql and the driver do to
// convert and to lock costs several times what the statements cost this node.
type laneConn struct {
	conn                     *pgconn.PgConn
	held, rotate, rotateSeen *pgconn.StatementDescription

	pipeline *pgconn.Pipeline // what was added since the last Sync
	binary   []int16          // the form of all parameters and columns
	params   [][]byte         // of the statement that is added next
	room     []byte           // of the parameters
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
	c := &laneConn{conn: conn, binary: []int16{pgtype.BinaryFormatCode}, room: make([]byte, 0, 8192), scan: newHeldScan()}
	if c.held, err = conn.Prepare(ctx, "held", heldOfMany, nil); err == nil {
		c.rotate, err = conn.Prepare(ctx, "rotate", rotateMany, nil)
	}
	if err == nil {
		c.rotateSeen, err = conn.Prepare(ctx, "rotate and see", rotateManySeen, nil)
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

// add adds a statement, about the columns that were added, to what is sent next.
func (c *laneConn) add(text *pgconn.StatementDescription) {
	c.pipeline = c.conn.StartPipeline(context.Background())
	c.pipeline.SendQueryStatement(text, c.params, c.binary, c.binary) // copies
	c.params, c.room = c.params[:0], c.room[:0]
}

// send sends what was added.
func (c *laneConn) send() error { return c.pipeline.Sync() }

// receive hands each row of the answer to row, with the number, from 0, of the
// refresh that it is of, and answers nil only when the transaction is committed.
// The values are good until row returns.
func (c *laneConn) receive(row func(i int, values []driver.Value) error) error {
	err := c.rows(row)
	// Reads to the end: only there is the transaction committed or not.
	if closed := c.pipeline.Close(); err == nil {
		err = closed
	}
	c.pipeline = nil
	return err
}

func (c *laneConn) rows(row func(i int, values []driver.Value) error) error {
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
		n, ok := c.values[0].(int64)
		if !ok {
			return fmt.Errorf("store: the number of an answer is a %T", c.values[0])
		}
		if err := row(int(n)-1, c.values[1:]); err != nil {
			return err
		}
	}
	_, err = reader.Close()
	return err
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
