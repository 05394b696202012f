package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// CheckLibrary keeps the root module free of dependencies, its tests too, and
// its layers in order: internal below jwk, jwt and jwks above it, guard on top.
func CheckLibrary(p Package) []string {
	if p.Module.Path != Root {
		return nil
	}
	var bad []string
	for _, path := range p.allImports() {
		if !isStd(path) && !within(path, Root) {
			bad = append(bad, fmt.Sprintf("%s imports %s: the root module imports only the standard library; a test that needs it belongs in interop", p.ImportPath, path))
		}
	}
	allowed := libraryLayer(p.ImportPath)
	for _, path := range p.Imports {
		if !within(path, Root) || allowed == nil {
			continue
		}
		if layer := top(path); !slices.Contains(allowed, layer) {
			bad = append(bad, fmt.Sprintf("%s imports %s: %s may import %s of this module", p.ImportPath, path, top(p.ImportPath), strings.Join(allowed, ", ")))
		}
	}
	return bad
}

// top answers the first path element below the root module.
func top(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, Root+"/"), "/")
	return first
}

// libraryLayer answers the top folders that a package of the root module may
// import from; nil for those on top of all, such as examples.
func libraryLayer(path string) []string {
	switch top(path) {
	case "internal":
		return []string{"internal"}
	case "jwk":
		return []string{"internal", "jwk"}
	case "jwt":
		return []string{"internal", "jwk", "jwt"}
	case "jwks":
		return []string{"internal", "jwk", "jwks"}
	case "dpop":
		return []string{"internal", "jwk", "jwt", "dpop"}
	case "guard":
		return []string{"internal", "jwk", "jwt", "jwks", "dpop", "guard"}
	case "guardtest":
		return []string{"internal", "jwk", "jwt", "jwks", "dpop", "guard", "guardtest"}
	}
	return nil
}

// CheckExtension keeps the modules that extend the library below jwt: what they
// plug into is jwk, so who verifies with them pulls in nothing else.
func CheckExtension(p Package) []string {
	if !slices.Contains([]string{"es256k", "fast", "mldsa"}, strings.TrimPrefix(p.Module.Path, Root+"/")) {
		return nil
	}
	var bad []string
	for _, path := range p.Imports {
		if within(path, Root) && !within(path, p.Module.Path) && path != Root+"/jwk" {
			bad = append(bad, fmt.Sprintf("%s imports %s: an extension imports jwk alone of this project", p.ImportPath, path))
		}
	}
	return bad
}

// room is what a package of the server is, by what it may import.
type room string

const (
	roomMain    room = "main"    // a program
	roomCLI     room = "cli"     // verbs
	roomApp     room = "app"     // wiring
	roomDoor    room = "door"    // speaks a protocol
	roomEdge    room = "edge"    // what doors share
	roomService room = "service" // acts
	roomStore   room = "store"   // keeps
	roomConfig  room = "config"  // settings
	roomDomain  room = "domain"  // package auth
)

// enter says which rooms a room's packages may import from, besides their own
// package tree. A new room needs a line here.
func enter(from room) []room {
	switch from {
	case roomMain:
		return []room{roomCLI}
	case roomCLI:
		return []room{roomApp, roomConfig, roomEdge, roomService, roomDomain}
	case roomApp:
		return []room{roomConfig, roomStore, roomDoor, roomEdge, roomService, roomDomain}
	case roomDoor:
		return []room{roomEdge, roomService, roomDomain}
	case roomEdge, roomService:
		return []room{roomService, roomDomain}
	case roomStore:
		return []room{roomDomain}
	}
	return nil // config and domain
}

const serverInternal = Root + "/server/internal"

// place answers the room of a package of the server and the package tree it
// belongs to. A folder below oauth is a door of its own; a folder that is not
// named here is a service.
func place(path string) (in room, tree string) {
	if !within(path, serverInternal) {
		return roomMain, path
	}
	elements := strings.Split(strings.TrimPrefix(path, serverInternal+"/"), "/")
	tree = serverInternal + "/" + elements[0]
	switch elements[0] {
	case "cli":
		return roomCLI, tree
	case "app":
		return roomApp, tree
	case "oauth":
		return roomDoor, serverInternal + "/" + strings.Join(elements[:min(2, len(elements))], "/")
	case "api", "admin", "page", "gateway":
		return roomDoor, tree
	case "edge":
		return roomEdge, tree
	case "store":
		return roomStore, tree
	case "config":
		return roomConfig, tree
	case "auth":
		return roomDomain, tree
	}
	return roomService, tree
}

// CheckServer keeps the server's rooms apart: no room is entered twice on a
// request's way from a door through services to the store. Tests may import
// what they like, the real store above all.
func CheckServer(p Package) []string {
	if p.Module.Path != Root+"/server" {
		return nil
	}
	from, tree := place(p.ImportPath)
	var bad []string
	for _, path := range p.Imports {
		if isDriver(path) && from != roomStore {
			bad = append(bad, fmt.Sprintf("%s imports %s: databases are spoken to in store alone", p.ImportPath, path))
		}
		if from == roomDomain && !isStd(path) && !within(path, Root) {
			bad = append(bad, fmt.Sprintf("%s imports %s: the domain imports no technology", p.ImportPath, path))
		}
		if !within(path, Root+"/server") || within(path, tree) {
			continue
		}
		if to, _ := place(path); !slices.Contains(enter(from), to) {
			bad = append(bad, fmt.Sprintf("%s imports %s: a package of room %q may not enter room %q", p.ImportPath, path, from, to))
		}
	}
	return bad
}

// isDriver reports whether path speaks to a database.
func isDriver(path string) bool {
	for _, driver := range []string{
		"database/sql", "modernc.org/sqlite", "github.com/mattn/go-sqlite3",
		"github.com/jackc/pgx", "github.com/lib/pq", "github.com/pressly/goose",
	} {
		if within(path, driver) {
			return true
		}
	}
	return false
}
