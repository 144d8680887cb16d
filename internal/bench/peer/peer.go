//go:build unix

// Package peer is the conversation between the benchmark and the hosts that it compares: for each line "SIZE CALLS" a host makes
// that many calls with a request of that many bytes, and prints the nanoseconds that they took of the processor's and of the
// wall's clock. All replies to a line must have one length. Hosts stay alive between the lines, so that rounds of all of them can
// take turns.
//
// It knows nothing of plugins but what a request looks like. internal/bench/rust/host keeps the same conversation in Rust.
package peer

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"
)

// Call makes one call and gives the length of the reply.
type Call func(request []byte) int

// Serve answers lines until there are no more.
func Serve(in io.Reader, out io.Writer, call Call) error {
	return ServeMany(in, out, func(request []byte, calls int) error {
		length := call(request)
		for range calls - 1 {
			if n := call(request); n != length {
				return fmt.Errorf("expected a reply of %d bytes, found %d", length, n)
			}
		}
		return nil
	})
}

// ServeMany is Serve for hosts that have their own way of making many calls.
func ServeMany(in io.Reader, out io.Writer, many func(request []byte, calls int) error) error {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var size, calls int
		if _, err := fmt.Sscan(lines.Text(), &size, &calls); err != nil {
			return err
		}
		request := Request(size)
		cpu, wall := processor(), time.Now()
		if err := many(request, calls); err != nil {
			return err
		}
		spent := time.Since(wall)
		if _, err := fmt.Fprintln(out, (processor() - cpu).Nanoseconds(), spent.Nanoseconds()); err != nil {
			return err
		}
	}
	return nil
}

// Request is a request of exactly that many bytes.
func Request(size int) []byte {
	const head, middle, tail = `{"method":"SEND","url":"echo://host/","headers":[],"timeout_ms":1000,"config":{},"name":"`, `","body_b64":"`, `"}`
	rest := size - len(head) - len(middle) - len(tail)
	return []byte(head + strings.Repeat("n", rest%4) + middle + strings.Repeat("A", rest/4*4) + tail)
}

// processor is the time for which all threads of this process have run, in the system's name as well.
func processor() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // the arguments are right
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
