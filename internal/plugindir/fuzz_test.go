package plugindir

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// wantFolderName: a name that becomes a path stays one folder or file, and is none of our records.
func wantFolderName(t *testing.T, name string) {
	t.Helper()
	if !filepath.IsLocal(name) || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, stateName) {
		t.Errorf("accepted the name %q", name)
	}
}

func FuzzState(f *testing.F) {
	good := &State{Owner: "o", Target: testTarget, Plugins: map[string]map[string]digest.Digest{
		"a": {"plugin.toml": digest.FromString("x"), "lib.so": digest.FromString("y")}}}
	f.Add(good.encode())
	f.Add([]byte(`{"format":1}`))
	f.Add([]byte(`{"format":1,"plugins":{"..":{"a":"sha256:"}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseState(text)
		if err != nil {
			return
		}
		for name, files := range s.Plugins {
			wantFolderName(t, name)
			for file := range files {
				wantFolderName(t, file)
			}
		}
		again, err := parseState(s.encode())
		if err != nil || !bytes.Equal(again.encode(), s.encode()) {
			t.Errorf("not the same when read again: %v", err)
		}
	})
}

func FuzzJournal(f *testing.F) {
	state := (&State{Owner: "o"}).encode()
	f.Add(encodeRecord(&journal{Format: 1, ID: "0123456789abcdef", State: contents{state, state},
		Plugins:    []swap{{"a", true, map[string]digest.Digest{"plugin.toml": digest.FromString("")}}, {"b", true, nil}},
		Files:      []fileChange{{"/x/loadr.toml", contents{nil, []byte("x")}}},
		Generation: &newGeneration{7, (&Generation{Files: map[string][]byte{"loadr.toml": nil}}).encode()}}))
	f.Add([]byte(`{"format":1,"id":"0123456789abcdef","plugins":[{"name":"..","new":null}],"state":{"new":"e30="}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		j, err := parseJournal(text)
		if err != nil {
			return
		}
		wantFolderName(t, j.ID)
		for _, s := range j.Plugins {
			wantFolderName(t, s.Name)
			for file := range s.New {
				wantFolderName(t, file)
			}
		}
		if j.Generation != nil {
			wantFolderName(t, filepath.Base(Open("/").generation(j.Generation.Number)))
			if !generationPattern.MatchString(filepath.Base(Open("/").generation(j.Generation.Number))) {
				t.Errorf("accepted generation %d", j.Generation.Number)
			}
		}
		again, err := parseJournal(encodeRecord(j))
		if err != nil || !bytes.Equal(encodeRecord(again), encodeRecord(j)) {
			t.Errorf("not the same when read again: %v", err)
		}
	})
}
