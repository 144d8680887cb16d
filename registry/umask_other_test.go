//go:build !unix

package registry_test

import "testing"

// underUmasks does nothing: the system has no such thing.
func underUmasks(*testing.T, func(umask string)) {}
