package download

import "fmt"

// NotFoundError says that the server answered, and has no such file.
type NotFoundError struct {
	URL string `json:"url"`
}

func (e *NotFoundError) Error() string { return fmt.Sprintf("file %s: not found", e.URL) }

// Hint says what to look at.
func (e *NotFoundError) Hint() string { return "check the address, and whether it asks for a login" }

// Error says that a file could not be fetched: nothing is known about whether it exists.
type Error struct {
	URL     string `json:"url"`
	Status  int    `json:"status"` // of the HTTP response; 0 when there was none
	Timeout bool   `json:"timeout"`
	Cause   error  `json:"-"`
}

func (e *Error) Error() string { return fmt.Sprintf("file %s: %v", e.URL, e.Cause) }

func (e *Error) Unwrap() error { return e.Cause }

// Hint says what to look at.
func (e *Error) Hint() string {
	switch {
	case e.Status >= 500 || e.Status == 429:
		return "the server is overloaded or broken: try again later"
	case e.Status >= 400:
		return "the server refused the request: the file may not be public, which a plugin's file has to be"
	}
	return "check the address, the network and the proxy settings"
}

// TooLargeError says that a file has more bytes than it may have.
type TooLargeError struct {
	URL string `json:"url"`
	Max int64  `json:"max"` // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("file %s: expected at most %d bytes, found more", e.URL, e.Max)
}
