package lockfile

import (
	"fmt"
	"strings"
)

// SyntaxError is one thing that is wrong in loadr.toml or loadr.lock at a known place.
type SyntaxError struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"` // from 1, columns in characters
	Detail string `json:"detail"` // object, expected, found
	Advice string `json:"advice"` // what to do; may be empty
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Detail)
}

// Hint says what to do; empty where the message says it all.
func (e *SyntaxError) Hint() string { return e.Advice }

// SizeError is a file that is larger than any such file should be.
type SizeError struct {
	File string `json:"file"`
	Size int    `json:"size"`
	Most int    `json:"most"` // bytes
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("%s: expected at most %d bytes, found %d", e.File, e.Most, e.Size)
}

// NewerFormatError is a lock that a later version of the program wrote.
type NewerFormatError struct {
	File  string `json:"file"`
	Found string `json:"found"` // format version of the file
	Known int    `json:"known"` // the newest that this program reads
}

func (e *NewerFormatError) Error() string {
	return fmt.Sprintf("%s: expected format version %d or older, found %s", e.File, e.Known, e.Found)
}

// Hint says what to do.
func (e *NewerFormatError) Hint() string {
	return "a newer loadr wrote this lock: update loadr, or restore the lock from version control"
}

// TruncatedError is a lock whose end is missing.
type TruncatedError struct{ File string }

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("%s: expected the last line %q, found none: the file is cut off", e.File, endLine)
}

// Hint says what to do.
func (e *TruncatedError) Hint() string {
	return "restore the lock from version control, or delete it and run loadr plugin lock"
}

// ConflictError is a lock with the marks of a merge that nobody finished.
type ConflictError struct {
	File string `json:"file"`
	Line int    `json:"line"` // of the first mark, from 1
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s:%d: expected a lock, found the marks of a merge conflict", e.File, e.Line)
}

// Hint says what to do.
func (e *ConflictError) Hint() string {
	return "take either side whole (git checkout --ours or --theirs), merge loadr.toml, then run loadr plugin lock"
}

// DigestError is a lock with a digest that can't be one.
type DigestError struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"` // from 1
	Entry  string `json:"entry"`  // plugin, and target where it is one of a target
	Field  string `json:"field"`
	Want   string `json:"want"`
	Found  string `json:"found"`
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s: expected a digest, %s, found %s",
		e.File, e.Line, e.Column, e.Entry, e.Field, e.Want, shown(e.Found))
}

// Hint says what to do.
func (e *DigestError) Hint() string {
	return "restore the lock from version control: a digest is never edited by hand"
}

// DuplicateError is a lock that holds the same plugin, or the same target of a plugin, twice.
type DuplicateError struct {
	File  string `json:"file"`
	Line  int    `json:"line"`  // of the second, from 1
	First int    `json:"first"` // line of the first
	Entry string `json:"entry"`
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("%s:%d: %s: expected one entry, found another on line %d", e.File, e.Line, e.Entry, e.First)
}

// Hint says what to do.
func (e *DuplicateError) Hint() string {
	return "this comes of a merge: keep one of the two and run loadr plugin lock"
}

// maxShown bounds how much of a found value a message repeats, in bytes.
const maxShown = 80

// shown quotes untrusted text, shortened.
func shown(s string) string {
	if len(s) > maxShown {
		return fmt.Sprintf("%q... (%d bytes)", strings.ToValidUTF8(s[:maxShown], ""), len(s))
	}
	return fmt.Sprintf("%q", s)
}
