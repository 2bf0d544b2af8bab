package translate

import (
	"fmt"

	"github.com/tierwall/tierwall/model"
)

// reporter collects the problems of one object.
type reporter struct {
	object   string
	problems []model.Problem
}

// finding is a problem while it is put together.
type finding struct{ model.Problem }

func problemf(code, path, format string, args ...any) finding {
	return finding{model.Problem{Code: code, Path: path, Message: fmt.Sprintf(format, args...)}}
}

func (f finding) hint(format string, args ...any) finding {
	f.Hint = fmt.Sprintf(format, args...)
	return f
}

// warning marks what is right and may not be what was meant.
func (f finding) warning() finding {
	f.Warning = true
	return f
}

func (r *reporter) add(f finding) {
	f.Object = r.object
	r.problems = append(r.problems, f.Problem)
}
