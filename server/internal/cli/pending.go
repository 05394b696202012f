package cli

import "errors"

// errPending is the answer of verbs that follow with the server.
var errPending = errors.New("not there yet")

type (
	serveCmd      struct{}
	usersCmd      struct{}
	rolesCmd      struct{}
	apisCmd       struct{}
	clientsCmd    struct{}
	sessionsCmd   struct{}
	keysListCmd   struct{}
	keysImportCmd struct{}
	revokeCmd     struct{}
	doctorCmd     struct{}
)

func (serveCmd) Run() error      { return errPending }
func (usersCmd) Run() error      { return errPending }
func (rolesCmd) Run() error      { return errPending }
func (apisCmd) Run() error       { return errPending }
func (clientsCmd) Run() error    { return errPending }
func (sessionsCmd) Run() error   { return errPending }
func (keysListCmd) Run() error   { return errPending }
func (keysImportCmd) Run() error { return errPending }
func (revokeCmd) Run() error     { return errPending }
func (doctorCmd) Run() error     { return errPending }

func newGrammar() *grammar { return &grammar{} }
