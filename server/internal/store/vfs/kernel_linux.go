package vfs

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// kernel syncs files by Linux's asynchronous input and output, which tells an
// eventfd when it is done: to the runtime that is like something that arrives.
type kernel struct {
	without atomic.Bool // it can't, or may not (a sandbox)
	mu      sync.Mutex
	idle    []*queue
}

// errUnsupported says that nothing has been done.
var errUnsupported = errors.New("vfs: the kernel syncs no files in the background here")

// forGood says that there is no use in asking again after a refusal: a kernel
// without it, a sandbox, a kind of file that can't.
func forGood(err error) bool {
	switch err {
	case syscall.ENOSYS, syscall.EPERM, syscall.EACCES, syscall.EINVAL, syscall.EOPNOTSUPP:
		return true
	}
	return false
}

// queue is for one file at a time.
type queue struct {
	id   uintptr // aio_context_t
	done *os.File
	fd   uintptr // of done
}

// The kernel's structures, of linux/aio_abi.h.
type (
	request struct {
		_        uint64 // data, which comes back
		_, _     uint32 // key, flags of a write
		opcode   uint16
		_        int16 // priority
		file     uint32
		_, _, _  uint64 // buffer, its length, where in the file
		_        uint64
		flags    uint32
		eventful uint32 // an eventfd
	}
	event struct {
		_, _   uint64 // data, request
		result int64
		_      int64
	}
)

const (
	opSync      = 3 // IOCB_CMD_FDSYNC: all but the file's times
	flagEvent   = 1 // IOCB_FLAG_RESFD
	nonblocking = syscall.O_NONBLOCK | syscall.O_CLOEXEC
)

// sync returns when the file is on the disk. errUnsupported: ask in another way;
// any other error is the disk's.
func (k *kernel) sync(file int) error {
	if k.without.Load() {
		return errUnsupported
	}
	q, err := k.take()
	if err != nil {
		return err
	}
	if err := q.ask(file); err != nil {
		k.without.Store(forGood(err))
		k.give(q)
		return errUnsupported
	}
	if err := q.wait(); err != nil {
		return err // the queue is given up with what may be in it
	}
	result, err := q.result()
	if err != nil {
		return err
	}
	k.give(q)
	if result < 0 {
		return syscall.Errno(-result)
	}
	return nil
}

func (k *kernel) take() (*queue, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := len(k.idle); n > 0 {
		q := k.idle[n-1]
		k.idle = k.idle[:n-1]
		return q, nil
	}
	q, err := newQueue()
	if err != nil {
		k.without.Store(forGood(err))
		return nil, errUnsupported
	}
	return q, nil
}

func (k *kernel) give(q *queue) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.idle = append(k.idle, q)
}

func newQueue() (*queue, error) {
	q := new(queue)
	if _, _, errno := syscall.Syscall(syscall.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&q.id)), 0); errno != 0 {
		return nil, errno
	}
	fd, _, errno := syscall.Syscall(syscall.SYS_EVENTFD2, 0, nonblocking, 0)
	if errno != 0 {
		_, _, _ = syscall.Syscall(syscall.SYS_IO_DESTROY, q.id, 0, 0)
		return nil, errno
	}
	q.fd, q.done = fd, os.NewFile(fd, "eventfd")
	if err := q.done.SetReadDeadline(time.Time{}); err != nil { // the runtime can't wait for it
		return nil, errors.Join(err, q.close())
	}
	return q, nil
}

// close gives up the queues; no sync is under way.
func (k *kernel) close() (err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, q := range k.idle {
		err = errors.Join(err, q.close())
	}
	k.idle = nil
	return err
}

func (q *queue) close() error {
	err := q.done.Close()
	if _, _, errno := syscall.Syscall(syscall.SYS_IO_DESTROY, q.id, 0, 0); errno != 0 {
		err = errors.Join(err, errno)
	}
	return err
}

// ask begins.
func (q *queue) ask(file int) error { // a bare syscall.Errno
	r := &request{opcode: opSync, file: uint32(file), flags: flagEvent, eventful: uint32(q.fd)}
	list := [1]*request{r}
	n, _, errno := syscall.Syscall(syscall.SYS_IO_SUBMIT, q.id, 1, uintptr(unsafe.Pointer(&list)))
	runtime.KeepAlive(r)
	if errno != 0 {
		return errno
	}
	if n != 1 {
		return syscall.EAGAIN
	}
	return nil
}

// wait lets others run until it is done.
func (q *queue) wait() error {
	var count [8]byte
	if _, err := q.done.Read(count[:]); err != nil {
		return fmt.Errorf("vfs: wait for the disk: %w", err)
	}
	return nil
}

// result is 0, or the error with a minus sign.
func (q *queue) result() (int64, error) {
	var e event
	for {
		n, _, errno := syscall.Syscall6(syscall.SYS_IO_GETEVENTS, q.id, 1, 1, uintptr(unsafe.Pointer(&e)), 0, 0)
		switch {
		case errno == syscall.EINTR:
		case errno != 0:
			return 0, fmt.Errorf("vfs: ask what became of it: %w", errno)
		case n == 1:
			return e.result, nil
		default:
			return 0, errors.New("vfs: the disk has not answered")
		}
	}
}
