package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"
)

// statementSchema is the version of a statement's form. Keys are only ever added under one version.
const statementSchema = 1

const (
	statusWithdrawn = "withdrawn"
	statusActive    = "active"
)

// statement is what a publisher says about a version after it was published. docs/spec/withdrawal.md describes the form.
type statement struct {
	Schema int    `json:"schema"`
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"` // of a withdrawal
	Use    string `json:"use,omitempty"`    // of a withdrawal: the version to take instead
	// Supersedes names the statements that no longer count, by the digests of their manifests. What a statement can name
	// was there before it, so that no clock is needed to know which one is the last.
	Supersedes []digest.Digest `json:"supersedes,omitempty"`
}

func (s *statement) encode() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return canonicalJSON(s)
}

// parseStatement reads what encode wrote, and refuses everything else: a statement that is half understood may be a
// withdrawal.
func parseStatement(text []byte) (*statement, error) {
	if len(text) > MaxStatement {
		return nil, fmt.Errorf("%d bytes, at most %d are allowed", len(text), MaxStatement)
	}
	var head struct{ Schema int }
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if head.Schema != statementSchema {
		return nil, fmt.Errorf("schema %d, this program reads %d: a newer loadr may read it", head.Schema, statementSchema)
	}
	if err := checkCanonical(text); err != nil {
		return nil, err
	}
	var s statement
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, err
	}
	return &s, s.check()
}

func (s *statement) check() error {
	if len(s.Supersedes) > maxStatements {
		return fmt.Errorf("supersedes %d statements, at most %d are allowed", len(s.Supersedes), maxStatements)
	}
	for _, d := range s.Supersedes {
		if err := checkDigest(d); err != nil {
			return fmt.Errorf("supersedes: %w", err)
		}
	}
	switch s.Status {
	case statusActive:
		return nil
	case statusWithdrawn:
		return checkWithdrawal(s.Reason, s.Use)
	}
	return fmt.Errorf("status %q, expected %q or %q", s.Status, statusWithdrawn, statusActive)
}

func checkWithdrawal(reason, use string) error {
	if err := CheckReason(reason); err != nil {
		return err
	}
	if use != "" && !isVersion(use) {
		return fmt.Errorf("version to use instead: %q, expected a version such as 1.4.4", use)
	}
	return nil
}

// CheckReason says what keeps a text from being the reason for a withdrawal: one line of at most MaxReason bytes that
// cannot drive a terminal.
func CheckReason(reason string) error {
	switch {
	case reason == "" || strings.TrimSpace(reason) != reason:
		return errors.New("reason: expected a text without white space around it")
	case len(reason) > MaxReason:
		return fmt.Errorf("reason: %d bytes, at most %d are allowed", len(reason), MaxReason)
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, breaksLine):
		return errors.New("reason: expected one line of UTF-8 without control characters")
	}
	return nil
}

func breaksLine(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}

// said is a statement that was found, or why it can't be read.
type said struct {
	digest  digest.Digest // of its manifest
	about   *statement    // nil: it can't be read
	problem string
}

// statusOf gives what holds: statements that no other one supersedes. Those made at the same time, by people who knew nothing of
// each other, hold side by side, and one that withdraws is enough. So is one that can't be read. The order in which they
// were found makes no difference.
func statusOf(all []said) *Status {
	superseded := map[digest.Digest]bool{}
	for _, s := range all {
		if s.about != nil {
			for _, d := range s.about.Supersedes {
				superseded[d] = true
			}
		}
	}
	status := &Status{Withdrawals: []Withdrawal{}}
	for _, s := range slices.SortedFunc(slices.Values(all), func(a, b said) int { return strings.Compare(string(a.digest), string(b.digest)) }) {
		switch {
		case superseded[s.digest]:
			continue
		case s.about == nil:
			status.Withdrawals = append(status.Withdrawals, Withdrawal{Statement: s.digest, Problem: s.problem})
		case s.about.Status == statusWithdrawn:
			status.Withdrawals = append(status.Withdrawals, Withdrawal{Statement: s.digest, Reason: s.about.Reason, Use: s.about.Use})
		}
		status.last = append(status.last, s.digest)
	}
	return status
}
