package worker

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// kind says what a frame is; the comment at each names the sender.
type kind uint8

const (
	kindHello  kind = 1 + iota // both: hello in JSON, before anything else
	kindOpen                   // client: OpenRequest in JSON
	kindOpened                 // server: opened in JSON
	kindMake                   // client: part of the object that the library is to make
	kindMade                   // server: the object's name
	kindCall                   // client: object, method, and a text as it came
	kindReply                  // server: the method's text as it came; empty where it gives none
	kindDrop                   // client: object; has no answer
	kindFailed                 // server: failure in JSON, in place of opened, made or reply
	kindEnd                    // not a kind: the number after the last
)

// MaxPayload is the largest request or reply that fits into a frame, in bytes.
const MaxPayload = 256 << 20

const (
	headerSize = 4 + 1 + 8
	// growth is how much is allocated ahead of what has arrived, so that a lying length costs the liar as much.
	growth = 1 << 20
)

// frame is one message.
type frame struct {
	kind    kind
	call    uint64
	payload []byte
}

// FrameError says that the other side sent something that is not a frame. The connection is of no further use.
type FrameError struct{ Problem string }

func (e *FrameError) Error() string { return "worker connection: " + e.Problem }

// appendHeader appends a frame's header to b.
func appendHeader(b []byte, k kind, call uint64, length int) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(length))
	b = append(b, byte(k))
	return binary.LittleEndian.AppendUint64(b, call)
}

// readFrame reads one frame, its payload into buffer where that has room. The error is io.EOF at a clean end between
// frames, io.ErrUnexpectedEOF within one, *FrameError for what no peer sends.
func readFrame(r *bufio.Reader, buffer []byte) (frame, error) {
	header, err := r.Peek(headerSize)
	if err != nil {
		if err == io.EOF && len(header) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	length := binary.LittleEndian.Uint32(header)
	f := frame{kind: kind(header[4]), call: binary.LittleEndian.Uint64(header[5:])}
	if f.kind < kindHello || f.kind >= kindEnd {
		return frame{}, &FrameError{fmt.Sprintf("expected a frame's kind, found %d", f.kind)}
	}
	if length > MaxPayload {
		return frame{}, &FrameError{fmt.Sprintf("expected at most %d bytes in a frame, found %d", MaxPayload, length)}
	}
	_, _ = r.Discard(headerSize) // they were peeked at
	f.payload, err = readPayload(r, buffer[:0], int(length))
	return f, err
}

// readPayload appends length bytes to b, allocating only a little ahead of what has arrived.
func readPayload(r io.Reader, b []byte, length int) ([]byte, error) {
	for len(b) < length {
		n := min(length-len(b), max(growth, cap(b)-len(b)))
		b = slices.Grow(b, n)
		end := len(b) + n
		if _, err := io.ReadFull(r, b[len(b):end]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		b = b[:end]
	}
	return b, nil
}
