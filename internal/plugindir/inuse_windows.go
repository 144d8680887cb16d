package plugindir

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isInUse recognises what Windows answers when a folder with an opened library is to be moved.
func isInUse(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
}
