//go:build !linux && !darwin

package fsx

import (
	"errors"
	"os"
)

// Exchange would make two paths change places in one step. This system can't: the error is always errors.ErrUnsupported,
// and the caller renames one away and the other in, with a moment in which the name is missing.
func Exchange(a, b string) error {
	return &os.LinkError{Op: "exchange", Old: a, New: b, Err: errors.ErrUnsupported}
}
