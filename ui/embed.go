// Package ui holds the Manager's pages, as make build leaves them in dist. A
// program that is built without them has none.
package ui

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Pages returns the files of the pages: index.html and what it asks for; nothing
// but .keep if they were not built.
func Pages() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil { // the path is a constant
		return dist
	}
	return sub
}
