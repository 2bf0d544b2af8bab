package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/model"
)

// Stdin is the path that stands for standard input.
const Stdin = "-"

// stdinName is how Problems call standard input.
const stdinName = "<stdin>"

// Files returns the files that the paths stand for, each once, in the order of
// the paths: a file as it is, a directory as the *.yaml, *.yml and *.json files
// in it and below it, by name; what begins with a dot is skipped below a
// directory. Stdin stays as it is. A path that does not exist, or a directory
// without such files, is an error.
func Files(paths []string) ([]string, error) {
	var all []string
	for _, p := range paths {
		found, err := files(p)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
	}
	return all, nil
}

func files(path string) ([]string, error) {
	if path == Stdin {
		return []string{path}, nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist; name a file, a directory, or - for standard input: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{filepath.Clean(path)}, nil
	}
	found, err := below(path)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s has no *.yaml, *.yml or *.json file in it or below it", path)
	}
	return found, err
}

func below(dir string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := path != dir && strings.HasPrefix(d.Name(), ".")
		if d.IsDir() {
			if hidden {
				return fs.SkipDir
			}
			return nil
		}
		if hidden || !isManifest(path) {
			return nil
		}
		// A link may lead to a directory, which is not followed.
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			return err
		}
		found = append(found, path)
		return nil
	})
	return found, err
}

func isManifest(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// Read reads the documents of all files that the paths stand for; see Files.
// Stdin is read from stdin. Problems are of code yaml-syntax and the like:
// texts that are no YAML. The error is about files that cannot be read.
func Read(paths []string, stdin io.Reader) ([]*Document, []model.Problem, error) {
	names, err := Files(paths)
	if err != nil {
		return nil, nil, err
	}
	var docs []*Document
	var problems []model.Problem
	for _, name := range names {
		data, err := read(name, stdin)
		if err != nil {
			return nil, nil, err
		}
		if name == Stdin {
			name = stdinName
		}
		d, p := Parse(name, data)
		docs = append(docs, d...)
		problems = append(problems, p...)
	}
	return docs, problems, nil
}

func read(name string, stdin io.Reader) ([]byte, error) {
	if name != Stdin {
		return os.ReadFile(name)
	}
	data, err := io.ReadAll(stdin)
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	return data, nil
}
