package worker

import "encoding/binary"

// part is a kind of object that a library makes.
type part uint8

const (
	partOutput part = 1 + iota
	partProtocol
	partService
)

// making names the calls that make objects, for messages.
var making = map[part]string{partOutput: "make_output", partProtocol: "make_protocol", partService: "make_service"}

// method is a call's target in its object.
type method uint8

const (
	methodExecute  method = 1 + iota // of a protocol
	methodStart                      // of an output or service
	methodSamples                    // of an output
	methodSnapshot                   // of an output
	methodFinish                     // of an output
	methodStop                       // of a service
)

// methodNames are those of the plugin interface, for messages.
var methodNames = [...]string{
	methodExecute: "execute", methodStart: "start", methodSamples: "on_samples", methodSnapshot: "on_snapshot",
	methodFinish: "finish", methodStop: "stop",
}

func (m method) String() string { return methodNames[m] }

// callSize is the length of what stands before a call's text.
const callSize = 8 + 1

// putCall writes what stands before a call's text.
func putCall(b *[callSize]byte, object uint64, m method) {
	binary.LittleEndian.PutUint64(b[:], object)
	b[8] = byte(m)
}

// parseCall takes a call frame's payload apart; the text is a part of it.
func parseCall(payload []byte) (object uint64, m method, text []byte, err error) {
	if len(payload) < callSize {
		return 0, 0, nil, &FrameError{"expected an object and a method"}
	}
	m = method(payload[8])
	if m < methodExecute || m > methodStop {
		return 0, 0, nil, &FrameError{"expected a method's number"}
	}
	return binary.LittleEndian.Uint64(payload), m, payload[callSize:], nil
}
