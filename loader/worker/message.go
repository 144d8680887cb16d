package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/loadr-plugins/loadr/loader/plugin"
	"github.com/loadr-plugins/loadr/manifest"
)

// protocolVersion changes with every change of the frames or messages.
const protocolVersion = 2

// hello is what both sides compare.
type hello struct {
	Protocol int    `json:"protocol"`
	Build    string `json:"build"`
}

// write sends the hello by itself and at once, not through a sender. What a worker opens next may end it on the spot, and a
// client that does not like the other's hello ends too: either way the other side must have learned who this was.
func (h hello) write(w io.Writer) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	_, err = w.Write(append(appendHeader(nil, kindHello, 0, len(text)), text...))
	return err
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

// opened is what the client learns of an opened library.
type opened struct {
	Info  plugin.Info  `json:"info"`
	Parts plugin.Parts `json:"parts"`
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

// errorType is one of package plugin's errors, whose exported fields are all there is to it.
type errorType struct {
	name string
	find func(err error) error // in what wraps it; nil: not there
	make func() error
}

func errorTypeOf[T any, P interface {
	*T
	error
}](name string) errorType {
	return errorType{
		name: name,
		find: func(err error) error {
			if found, ok := errors.AsType[P](err); ok {
				return found
			}
			return nil
		},
		make: func() error { return P(new(T)) },
	}
}

// errorTypes are those that a server sends.
var errorTypes = []errorType{
	errorTypeOf[plugin.DigestError]("digest"),
	errorTypeOf[plugin.OpenError]("open"),
	errorTypeOf[plugin.FamilyError]("family"),
	errorTypeOf[plugin.MissingSymbolError]("symbol"),
	errorTypeOf[plugin.VersionError]("version"),
	errorTypeOf[plugin.LayoutError]("layout"),
	errorTypeOf[plugin.ConstructorError]("constructor"),
	errorTypeOf[plugin.ModuleError]("module"),
	errorTypeOf[plugin.PartError]("part"),
	errorTypeOf[plugin.FailureError]("failure"),
	errorTypeOf[plugin.RequestError]("request"),
	errorTypeOf[plugin.ReplyError]("reply"),
	errorTypeOf[plugin.ClosedError]("closed"),
}

// encodeFailure finds the typed error in err, whatever wraps it.
func encodeFailure(err error) []byte {
	f := failure{Text: err.Error()}
	for _, t := range errorTypes {
		if found := t.find(err); found != nil {
			f.Type = t.name
			f.Fields, _ = json.Marshal(found) // plain fields of text and numbers
			break
		}
	}
	text, _ := json.Marshal(f)
	return text
}

// decodeFailure gives the error that was sent.
func decodeFailure(payload []byte) error {
	var f failure
	if err := json.Unmarshal(payload, &f); err != nil {
		return &FrameError{"expected an error in JSON: " + err.Error()}
	}
	for _, t := range errorTypes {
		if t.name != f.Type {
			continue
		}
		if err := t.make(); json.Unmarshal(f.Fields, err) == nil {
			return err
		}
	}
	return errors.New(f.Text)
}
