package auth

// Table is a table of the database as a back-up holds it.
type Table struct {
	Name    string   `json:"name"`
	Columns []Column `json:"columns"`
}

// Column is a column of a Table.
type Column struct {
	Name string     `json:"name"`
	Type ColumnType `json:"type"`
}

// ColumnType says which values a column has besides nil.
type ColumnType string

// The types, and what a value is in Go.
const (
	ColumnText    ColumnType = "text"    // string
	ColumnInteger ColumnType = "integer" // int64
	ColumnBytes   ColumnType = "bytes"   // []byte
)
