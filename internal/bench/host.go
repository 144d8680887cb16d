//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// host is one of the programs that are compared.
type host struct {
	name   string
	base   string // the host that its ratio is taken to; empty: none
	wall   bool   // its time is the wall's: it is more than one process
	cmd    *exec.Cmd
	lines  io.WriteCloser
	answer *bufio.Scanner
}

// turn is what one call cost on average.
type turn struct{ cpu, wall float64 } // nanoseconds

func startAll(dir string) ([]*host, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	part := func(name string) string { return filepath.Join(dir, name) }
	echo, cEcho, example := part("libbench_echo.so"), part("libc_echo.so"), part("libecho_proto.so")
	rust := func(library string) *exec.Cmd { return exec.Command(part("bench-host"), library) }
	cgo := func(how, library string) *exec.Cmd { return exec.Command(part("cgohost"), how, library) }
	ours := func(role, library string) *exec.Cmd { return exec.Command(self, "-dir", dir, "-peer", role, library) }
	hosts := []*host{
		{name: "Rust host", cmd: rust(echo)},
		{name: "loader/native", base: "Rust host", cmd: ours("native", echo)},
		{name: "cgo, a new string each time, reply copied", base: "Rust host", cmd: cgo("string", echo)},
		{name: "cgo, strings recycled, reply viewed", base: "Rust host", cmd: cgo("view", echo)},
		{name: "Rust host, echo-proto", cmd: rust(example)},
		{name: "loader/native, echo-proto", base: "Rust host, echo-proto", cmd: ours("native", example)},
		{name: "cgo, C interface", cmd: cgo("c", cEcho)},
		{name: "loader/native, C interface", base: "cgo, C interface", cmd: ours("native", cEcho)},
		{name: "checks of request and reply, part of each call of loader/native", cmd: ours("checks", "")},
		{name: "worker, 16 in flight, wall clock", wall: true, cmd: ours("worker", echo)},
	}
	for i, h := range hosts {
		if err := h.start(); err != nil {
			return hosts[:i], fmt.Errorf("%s: %w", h.name, err)
		}
	}
	return hosts, nil
}

func (h *host) start() (err error) {
	if h.lines, err = h.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	h.answer = bufio.NewScanner(out)
	h.cmd.Stderr = os.Stderr
	return h.cmd.Start()
}

// stop lets the program end by itself: that it is asked no more is its end.
func (h *host) stop() {
	_ = h.lines.Close()
	_ = h.cmd.Wait() // what went wrong was told by turn
}

func (h *host) turn(size, calls int) (turn, error) {
	if _, err := fmt.Fprintln(h.lines, size, calls); err != nil {
		return turn{}, fmt.Errorf("%s: %w", h.name, err)
	}
	if !h.answer.Scan() {
		return turn{}, fmt.Errorf("%s: no answer: %w", h.name, io.ErrUnexpectedEOF)
	}
	var cpu, wall float64
	if _, err := fmt.Sscan(h.answer.Text(), &cpu, &wall); err != nil {
		return turn{}, fmt.Errorf("%s: %w", h.name, err)
	}
	return turn{cpu / float64(calls), wall / float64(calls)}, nil
}
