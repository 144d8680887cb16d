package directory

import "fmt"

// BusyError says that another process is writing the directory registry.
type BusyError struct {
	Dir    string `json:"dir"`
	Holder string `json:"holder"` // who, as far as known
}

func (e *BusyError) Error() string {
	if e.Holder == "" {
		return fmt.Sprintf("registry in %s: another process is writing it", e.Dir)
	}
	return fmt.Sprintf("registry in %s: %s is writing it", e.Dir, e.Holder)
}

// Hint says what to do.
func (e *BusyError) Hint() string { return "try again when it has finished" }
