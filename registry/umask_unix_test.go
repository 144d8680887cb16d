//go:build unix

package registry_test

import (
	"fmt"
	"syscall"
	"testing"
)

// underUmasks runs do under several file mode creation masks.
func underUmasks(t *testing.T, do func(umask string)) {
	for _, mask := range []int{0o000, 0o022, 0o077} {
		old := syscall.Umask(mask)
		func() {
			defer syscall.Umask(old)
			do(fmt.Sprintf("%03o", mask))
		}()
	}
}
