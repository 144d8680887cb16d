package main

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// keep checks that handle is a pipe and keeps it from the programs that the plugin starts.
func keep(handle uintptr) error {
	kind, err := windows.GetFileType(windows.Handle(handle))
	if err != nil {
		return err
	}
	if kind != windows.FILE_TYPE_PIPE {
		return fmt.Errorf("not a pipe")
	}
	return windows.SetHandleInformation(windows.Handle(handle), windows.HANDLE_FLAG_INHERIT, 0)
}
