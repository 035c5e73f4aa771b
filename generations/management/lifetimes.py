"""Ties the life of a process to its parent's, so that nothing is left behind by a `kill -9`."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What asks a program to end: an operator, a terminal, a terminal that was closed."""
_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS, _NO_SETUID_FIXUP = 28, 4
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CLONE_NEWUSER = 0x10000000
_CAPABILITIES = 0x20080522
"""The version of what `capset` takes: effective, permitted and inheritable, of 32 each, twice."""
_DAC_OVERRIDE = 1
# Loaded before any fork: a child between fork and exec must not import or allocate much.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Stop(BaseException):
    """TERM, INT or HUP came. Not an error, and nothing may catch it on its way out."""


def stop_by_signals() -> None:
    """Have this process raise `Stop` in its main thread when it is asked to end; what follows is ignored.

    Under nohup(1) a terminal that is closed asks nothing: what was ignored before stays so.
    """
    for number in STOPPING:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def ignore_stopping() -> None:
    """Let what asks to end do nothing any more: for the time in which that is done."""
    for number in STOPPING:
        signal.signal(number, ignore)


def _stop(number: int, frame: FrameType | None) -> None:
    ignore_stopping()
    raise Stop


def end_with_parent(sent: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send a signal to this process when the one that started it is gone.

    > The "parent" in this case is considered to be the thread that created this process.
    (prctl(2)). Start such children from a main thread. Elsewhere than on Linux this does nothing.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(sent), 0, 0, 0)


def fork() -> int:
    """`os.fork`, of a process that ends with this one, however this one does."""
    here = os.getpid()
    pid = os.fork()
    if not pid:
        end_with_parent()
        if os.getppid() != here:  # it went between the fork and the line above
            os._exit(1)
    return pid


def woken_by_signals() -> tuple[int, int]:
    """A pipe of which the first end can be read when a child has ended, or another signal came that is handled."""
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    signal.set_wakeup_fd(ends[1], warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, ignore)  # any handler: it is the byte in the pipe that wakes
    return ends


def ignore(number: int, frame: FrameType | None) -> None:
    """Let a signal do no more than wake."""


def entitle(name: str) -> None:
    """Have `ps` call this process by the name of its part."""
    import setproctitle

    setproctitle.setproctitle(f"generations: {name}")


def tied(sent: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn` for a child that gets `sent` when this process is gone, however it went."""
    parent = os.getpid()

    def in_child() -> None:
        end_with_parent(sent)
        if os.getppid() != parent:  # it went between the fork and the line above
            os._exit(1)

    return in_child


def become_unprivileged() -> None:
    """Make root an ordinary user of a namespace of its own, who still owns root's files.

    PostgreSQL refuses to run as root. With the user mapped and not changed, the data folder needs no
    other owner. Raises OSError where the kernel or the container does not allow user namespaces.
    """
    if _libc is None:
        raise OSError("There are no user namespaces here.")
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name, line in (("setgroups", "deny"), ("uid_map", f"1000 {uid} 1"), ("gid_map", f"1000 {gid} 1")):
        file = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(file, line.encode())
        os.close(file)


def become(uid: int, gid: int) -> bool:
    """Make root another user; returns whether that one may still go by all folders, as root may.

    What is installed below root's own home, which is closed to others, can so be run, and data below it be kept. Not
    every container grants it.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if _libc is None:
        return False
    kept = 1 << _DAC_OVERRIDE
    if _libc.capset((ctypes.c_uint32 * 2)(_CAPABILITIES, 0), (ctypes.c_uint32 * 6)(kept, kept, kept)) != 0:
        return False
    return bool(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _DAC_OVERRIDE, 0, 0) == 0)


def can_become_unprivileged() -> bool:
    """Whether `become_unprivileged` works here."""
    return _works(become_unprivileged)


def goes_by_folders(uid: int, gid: int) -> bool:
    """Whether root goes by all folders as that user, too."""
    return _works(lambda: become(uid, gid))


def _works(change: Callable[[], bool | None]) -> bool:
    """Whether it raises nothing and is not False: tried in a child, because it cannot be undone."""
    pid = os.fork()
    if pid == 0:
        try:
            done = change()
        except OSError:
            os._exit(1)
        os._exit(1 if done is False else 0)
    return os.waitpid(pid, 0)[1] == 0
