package worker

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// protocolVersion changes with every change of the frames or messages.
const protocolVersion = 1

// hello is what both sides compare.
type hello struct {
	Protocol int    `json:"protocol"`
	Build    string `json:"build"`
}

// OpenRequest says which library the worker opens. Digest is that of the bytes that were verified.
type OpenRequest struct {
	Path       string          `json:"path"`
	Digest     digest.Digest   `json:"digest"`
	Name       string          `json:"name"`       // the plugin's, for messages
	Entry      string          `json:"entry"`      // file name of the private copy
	Family     manifest.Family `json:"family"`     // empty: whichever the library exports
	TempDir    string          `json:"temp_dir"`   // for the private copy
	Concurrent int             `json:"concurrent"` // calls in flight at most; 0: the default
	MaxReply   int             `json:"max_reply"`  // bytes; 0: the default
}

// HelloError says that the other side is not of this build.
type HelloError struct{ Want, Found string }

func (e *HelloError) Error() string {
	return fmt.Sprintf("expected build %s, found %s", e.Want, e.Found)
}

func (h hello) String() string { return fmt.Sprintf("%q (protocol %d)", h.Build, h.Protocol) }

// checkHello reads the other side's hello.
func checkHello(f frame, own hello) error {
	var other hello
	if f.kind != kindHello || json.Unmarshal(f.payload, &other) != nil {
		return &FrameError{"expected a hello"}
	}
	if other != own {
		return &HelloError{own.String(), other.String()}
	}
	return nil
}

// failure is an error on the wire: one of package plugin's types by name, with its fields, or any other by its text.
type failure struct {
	Type   string          `json:"type,omitempty"`
	Fields json.RawMessage `json:"fields,omitempty"`
	Text   string          `json:"text"`
}

// typed makes an empty error of each type that a server sends; their exported fields are all there is to them.
var typed = map[string]func() error{
	"digest":  func() error { return new(plugin.DigestError) },
	"open":    func() error { return new(plugin.OpenError) },
	"family":  func() error { return new(plugin.FamilyError) },
	"symbol":  func() error { return new(plugin.MissingSymbolError) },
	"version": func() error { return new(plugin.VersionError) },
	"request": func() error { return new(plugin.RequestError) },
	"reply":   func() error { return new(plugin.ReplyError) },
	"closed":  func() error { return new(plugin.ClosedError) },
}

// encodeFailure finds the typed error in err, whatever wraps it.
func encodeFailure(err error) []byte {
	f := failure{Text: err.Error()}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if f.Type = typeName(e); f.Type != "" {
			f.Fields, _ = json.Marshal(e) // plain fields of text and numbers
			break
		}
	}
	text, _ := json.Marshal(f)
	return text
}

func typeName(err error) string {
	switch err.(type) {
	case *plugin.DigestError:
		return "digest"
	case *plugin.OpenError:
		return "open"
	case *plugin.FamilyError:
		return "family"
	case *plugin.MissingSymbolError:
		return "symbol"
	case *plugin.VersionError:
		return "version"
	case *plugin.RequestError:
		return "request"
	case *plugin.ReplyError:
		return "reply"
	case *plugin.ClosedError:
		return "closed"
	}
	return ""
}

// decodeFailure gives the error that was sent.
func decodeFailure(payload []byte) error {
	var f failure
	if err := json.Unmarshal(payload, &f); err != nil {
		return &FrameError{"expected an error in JSON: " + err.Error()}
	}
	make, ok := typed[f.Type]
	if !ok {
		return errors.New(f.Text)
	}
	err := make()
	if json.Unmarshal(f.Fields, err) != nil {
		return errors.New(f.Text)
	}
	return err
}
