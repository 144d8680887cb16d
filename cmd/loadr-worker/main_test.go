package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/loadr-plugins/loadr/loader"
)

func TestVersion(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run([]string{"--version"}, &out, &errs); code != 0 || out.String() != loader.Build()+"\n" || errs.Len() != 0 {
		t.Errorf("found %d, %q, %q", code, out.String(), errs.String())
	}
}

func TestStartedByHand(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	notPipe := strconv.Itoa(int(file.Fd()))
	for name, args := range map[string][]string{
		"nothing":          nil,
		"one":              {"3"},
		"no numbers":       {"a", "b"},
		"standard streams": {"0", "1"},
		"not open":         {"999", "998"},
		"not a pipe":       {notPipe, notPipe},
	} {
		var out, errs bytes.Buffer
		code := run(args, &out, &errs)
		if code != 2 || out.Len() != 0 || !strings.Contains(errs.String(), "loadr starts this program") {
			t.Errorf("%s: found %d, %q, %q", name, code, out.String(), errs.String())
		}
	}
}
