package fsx

import (
	"path/filepath"
	"runtime"
	"testing"
)

func TestMountPoint(t *testing.T) {
	dir := t.TempDir()
	mount, err := MountPoint(dir)
	if err != nil || !filepath.IsAbs(mount) {
		t.Fatalf("%q, %v", mount, err)
	}
	if ok, err := Mounted(mount); !ok || err != nil {
		t.Errorf("%s: %v, %v", mount, ok, err)
	}
	if again, err := MountPoint(mount); err != nil || again != mount {
		t.Errorf("%s: %s, %v", mount, again, err)
	}
	if _, err := MountPoint(filepath.Join(dir, "absent")); err == nil {
		t.Error("a mount point of what is not there")
	}
	if runtime.GOOS == "windows" {
		return
	}
	if ok, err := Mounted(dir); ok || err != nil {
		t.Errorf("%s: %v, %v", dir, ok, err)
	}
	if runtime.GOOS == "linux" {
		if mount, err := MountPoint("/proc/self"); err != nil || mount != "/proc" {
			t.Errorf("/proc/self: %s, %v", mount, err)
		}
	}
}
