"""One writer at a time: a lock that a run and each of its steps hold while they last."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from brainage.core.files import MachineFault

# What a network file system that was mounted without locks answers.
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


@contextlib.contextmanager
def only_writer(path: Path, what: str) -> Iterator[None]:
    """Hold a lock; the system gives it back however the process ends.

    On a network file system it holds between machines where that has locks (NFS 4; NFS 3 with its
    lock daemon; Lustre mounted with flock). Where it has none, a line on stderr says so and nothing
    is held.

    Parameters
    ----------
    path
        File of the lock, which is there while it is held.
    what
        What is written, for messages.

    Raises
    ------
    MachineFault
        Where another process holds it.
    """
    path = path.absolute()  # it is removed at the end, wherever the process is then
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as opened:
        while True:
            file = opened.enter_context(path.open("a+", encoding="utf-8"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                who = file.read().strip() or "another process"
                raise MachineFault(
                    f"{what}: {who} is writing this already; wait until it has ended, or end it, "
                    "and run the same command again"
                ) from None
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                print(
                    f"{what}: this file system has no locks ({error.strerror}); see to it that no "
                    "second run writes here",
                    file=sys.stderr,
                )
                path.unlink(missing_ok=True)
                yield
                return
            # Who held it before may have removed the file since it was opened here.
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                break
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
