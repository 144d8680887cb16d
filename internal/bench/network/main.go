//go:build unix

// Command network compares what fetching many plugins from a distant registry costs loadr with what it costs oras and crane.
// scripts/bench-network.sh builds the parts and runs it; docs/network.md has results.
//
// The registry is this process, on loopback, over a folder that loadr published to. It answers every request, and the first
// one of every connection once more, only after a delay. All programs are asked for the same blobs in turns, round by round,
// so that whatever else the machine does falls on all of them.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 3, "how often each has its turn")
	flag.IntVar(&o.plugins, "plugins", 50, "how many plugins are fetched")
	flag.IntVar(&o.size, "size", 2<<20, "bytes of each plugin's library, which no compression makes smaller")
	flag.IntVar(&o.big, "big", 200<<20, "bytes of the one big library; 0 leaves it out")
	flag.IntVar(&o.atOnce, "at-once", 16, "processes of oras and crane at one time")
	flag.DurationVar(&o.delay, "delay", 50*time.Millisecond, "added to every request and connection")
	flag.StringVar(&o.parts, "dir", ".", "`folder` with the programs and the library that scripts/bench-network.sh builds")
	pass := flag.String("pass", "", "be the yardstick instead: download `URL`, hash it and write it to the file that the argument names")
	flag.Parse()
	var err error
	if *pass != "" {
		err = onePass(*pass, flag.Arg(0))
	} else {
		err = compare(os.Stdout, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "network:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds, plugins, size, big, atOnce int
	delay                              time.Duration
	parts                              string
}
