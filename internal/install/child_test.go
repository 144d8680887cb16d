package install_test

func asChild() (int, bool) { return 0, false }
