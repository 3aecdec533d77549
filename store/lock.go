package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// hold keeps a database to one process: the one that serves from it, or the one that
// puts another in its place. A process that dies lets go.
func hold(path string) (release func() error, err error) {
	file := path + ".lock"
	if err := createPrivate(file); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("a tandem serves from %s: stop it first (%w)", path, err), f.Close())
	}
	return f.Close, nil
}

// Serving reports whether a tandem serves from the database at path.
func Serving(path string) bool {
	f, err := os.Open(path + ".lock")
	if err != nil {
		return false
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

// createPrivate makes an empty file that nobody else may read, or says
// os.ErrExist: numbers of people will be in it. Root makes it for whom the folder
// belongs to, which is the user that tandem runs as.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if folder, err := os.Stat(filepath.Dir(path)); err == nil && os.Geteuid() == 0 {
		owner := folder.Sys().(*syscall.Stat_t)
		return errors.Join(f.Chown(int(owner.Uid), int(owner.Gid)), f.Close())
	}
	return f.Close()
}
