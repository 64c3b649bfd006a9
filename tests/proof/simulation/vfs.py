"""SQLite's own door to a disk (sqlite.org/c3ref/vfs.html), opened onto `disk.Disk`: real SQLite, no real file."""

import ctypes as c
import ctypes.util
import itertools
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.proof.simulation.disk import Broken, Busy, Disk, Full

_OK, _BUSY, _IOERR, _NOTFOUND, _FULL = 0, 5, 10, 12, 13
_SHORT_READ = _IOERR | 2 << 8
_FSYNC = _IOERR | 4 << 8
_NONE, _SHARED, _RESERVED, _PENDING, _EXCLUSIVE = range(5)
_SHM_UNLOCK, _SHM_LOCK, _SHM_SHARED, _SHM_EXCLUSIVE = 1, 2, 4, 8
_ACCESS_EXISTS = 0
# The lock on the wal-index that a writer holds.
_WRITE_SLOT = 0
_INT, _I64, _P = c.c_int, c.c_int64, c.c_void_p
_LIBRARY = c.CDLL(c.util.find_library("sqlite3") or "libsqlite3.so.0")


class _File(c.Structure):
    _fields_ = [("methods", _P), ("number", _I64)]


_FILE = c.POINTER(_File)
_IO = [
    ("xClose", [_FILE]), ("xRead", [_FILE, _P, _INT, _I64]), ("xWrite", [_FILE, _P, _INT, _I64]),
    ("xTruncate", [_FILE, _I64]), ("xSync", [_FILE, _INT]), ("xFileSize", [_FILE, c.POINTER(_I64)]),
    ("xLock", [_FILE, _INT]), ("xUnlock", [_FILE, _INT]), ("xCheckReservedLock", [_FILE, c.POINTER(_INT)]),
    ("xFileControl", [_FILE, _INT, _P]), ("xSectorSize", [_FILE]), ("xDeviceCharacteristics", [_FILE]),
    ("xShmMap", [_FILE, _INT, _INT, _INT, c.POINTER(_P)]), ("xShmLock", [_FILE, _INT, _INT, _INT]),
    ("xShmBarrier", [_FILE]), ("xShmUnmap", [_FILE, _INT]),
]  # fmt: skip
_IO_TYPES = {name: c.CFUNCTYPE(None if name == "xShmBarrier" else _INT, *types) for name, types in _IO}


class _IoMethods(c.Structure):
    _fields_ = [("iVersion", _INT), *((name, _IO_TYPES[name]) for name, _ in _IO)]


_VFS = [
    ("xOpen", [_P, c.c_char_p, _FILE, _INT, c.POINTER(_INT)]), ("xDelete", [_P, c.c_char_p, _INT]),
    ("xAccess", [_P, c.c_char_p, _INT, c.POINTER(_INT)]), ("xFullPathname", [_P, c.c_char_p, _INT, _P]),
    ("xDlOpen", None), ("xDlError", None), ("xDlSym", None), ("xDlClose", None),
    ("xRandomness", [_P, _INT, _P]), ("xSleep", [_P, _INT]), ("xCurrentTime", [_P, c.POINTER(c.c_double)]),
    ("xGetLastError", [_P, _INT, _P]),
]  # fmt: skip
_VFS_TYPES = {name: _P if types is None else c.CFUNCTYPE(_INT, *types) for name, types in _VFS}


class _Vfs(c.Structure):
    _fields_ = [
        ("iVersion", _INT), ("szOsFile", _INT), ("mxPathname", _INT), ("pNext", _P), ("zName", c.c_char_p),
        ("pAppData", _P), *((name, _VFS_TYPES[name]) for name, _ in _VFS),
    ]  # fmt: skip


@dataclass(eq=False)
class _Open:
    """One handle on a file, of the process `life`."""

    name: str
    life: int
    lock: int = _NONE
    shm: set[tuple[int, bool]] = field(default_factory=set)


@dataclass
class _Shared:
    """The memory that connections of one process share, and who holds which of its eight locks."""

    regions: list[Any] = field(default_factory=list)
    holders: dict[int, dict[_Open, bool]] = field(default_factory=dict)


class Vfs:
    """All of SQLite's calls about one disk. Only one thread may use it."""

    def __init__(self, disk: Disk, name: str) -> None:
        self._disk, self.name = disk, name
        self._numbers = itertools.count(1)
        self._open: dict[int, _Open] = {}
        self._shared: dict[tuple[str, int], _Shared] = {}
        self._connections: list[sqlite3.Connection] = []
        self.mistakes: list[BaseException] = []
        functions = {name: _IO_TYPES[name](self._guarded(getattr(self, _method(name)))) for name, _ in _IO}
        self._methods = _IoMethods(iVersion=2, **functions)
        entries = {
            name: _VFS_TYPES[name](self._guarded(getattr(self, _method(name))))
            for name, types in _VFS
            if types is not None
        }
        self._vfs = _Vfs(iVersion=1, szOsFile=c.sizeof(_File), mxPathname=512, zName=name.encode(), **entries)

    def register(self) -> None:
        if _LIBRARY.sqlite3_vfs_register(c.byref(self._vfs), 0) != _OK:
            raise RuntimeError("SQLite does not take the disk")

    def unregister(self) -> None:
        _LIBRARY.sqlite3_vfs_unregister(c.byref(self._vfs))

    def connect(self, path: str) -> sqlite3.Connection:
        opened = sqlite3.connect(f"file:{path}?vfs={self.name}", uri=True, isolation_level=None, cached_statements=256)
        self._connections.append(opened)
        return opened

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def forget(self) -> None:
        """A connection that somebody's statement keeps alive may still call, and gets nothing."""
        self._disk = Disk(random.Random(0))
        self._disk.kill()

    def _guarded(self, work: Callable[..., int]) -> Callable[..., int]:
        # What is raised into C is printed and forgotten.
        def call(*arguments: Any) -> int:
            try:
                return work(*arguments)
            except Busy:
                return _BUSY
            except Full:
                return _FULL
            except Broken:
                return _FSYNC if work == self._x_sync else _IOERR
            except BaseException as mistake:  # noqa: BLE001
                self.mistakes.append(mistake)
                return _IOERR

        return call

    def _of(self, file: Any) -> _Open:
        return self._open[file.contents.number]

    # The file system

    def _x_open(self, _vfs: int, name: bytes | None, file: Any, flags: int, out: Any) -> int:
        number = next(self._numbers)
        shown = (name or f"temporary{number}".encode()).decode()
        self._disk.open(shown)
        self._open[number] = _Open(shown, self._disk.life)
        file.contents.number = number
        file.contents.methods = c.addressof(self._methods)
        if out:
            out[0] = flags
        return _OK

    def _x_delete(self, _vfs: int, name: bytes, _sync: int) -> int:
        self._disk.delete(name.decode(), self._disk.life)
        return _OK

    def _x_access(self, _vfs: int, name: bytes, _flags: int, out: Any) -> int:
        file = self._disk.files.get(name.decode())
        out[0] = int(file is not None and bool(file.data))
        return _OK

    def _x_full_pathname(self, _vfs: int, name: bytes, size: int, out: int) -> int:
        c.memmove(out, name + b"\0", min(size, len(name) + 1))
        return _OK

    def _x_randomness(self, _vfs: int, size: int, out: int) -> int:
        c.memset(out, 7, size)
        return size

    def _x_sleep(self, _vfs: int, microseconds: int) -> int:
        return microseconds

    def _x_current_time(self, _vfs: int, out: Any) -> int:
        out[0] = 2461000.5
        return _OK

    def _x_get_last_error(self, _vfs: int, _size: int, _out: int) -> int:
        return _OK

    # A file

    def _x_close(self, file: Any) -> int:
        handle = self._of(file)
        self._release(handle)
        del self._open[file.contents.number]
        return _OK

    def _x_read(self, file: Any, out: int, amount: int, offset: int) -> int:
        handle = self._of(file)
        if handle.life != self._disk.life:
            raise Broken
        found = bytes(self._disk.open(handle.name).data[offset : offset + amount])
        c.memmove(out, found, len(found))
        if len(found) == amount:
            return _OK
        c.memset(out + len(found), 0, amount - len(found))
        return _SHORT_READ

    def _x_write(self, file: Any, data: int, amount: int, offset: int) -> int:
        handle = self._of(file)
        self._disk.write(handle.name, offset, c.string_at(data, amount), handle.life)
        return _OK

    def _x_truncate(self, file: Any, size: int) -> int:
        handle = self._of(file)
        self._disk.truncate(handle.name, size, handle.life)
        return _OK

    def _x_sync(self, file: Any, _flags: int) -> int:
        handle = self._of(file)
        self._disk.sync(handle.name, handle.life)
        return _OK

    def _x_file_size(self, file: Any, out: Any) -> int:
        out[0] = len(self._disk.open(self._of(file).name).data)
        return _OK

    def _x_file_control(self, _file: Any, _operation: int, _argument: int) -> int:
        return _NOTFOUND

    def _x_sector_size(self, _file: Any) -> int:
        return 512

    def _x_device_characteristics(self, _file: Any) -> int:
        return 0

    # Locks

    def _others(self, handle: _Open) -> Iterator[_Open]:
        return (
            each
            for each in self._open.values()
            if each is not handle and each.name == handle.name and each.life == handle.life
        )

    def _x_lock(self, file: Any, level: int) -> int:
        handle = self._of(file)
        if handle.life != self._disk.life:
            raise Broken
        least = {_SHARED: _PENDING, _RESERVED: _RESERVED}.get(level, _SHARED)
        if any(other.lock >= least for other in self._others(handle)):
            return _BUSY
        handle.lock = max(handle.lock, level)
        return _OK

    def _x_unlock(self, file: Any, level: int) -> int:
        self._of(file).lock = min(self._of(file).lock, level)
        return _OK

    def _x_check_reserved_lock(self, file: Any, out: Any) -> int:
        out[0] = int(any(other.lock >= _RESERVED for other in self._others(self._of(file))))
        return _OK

    # The wal-index

    def _of_shared(self, handle: _Open) -> _Shared:
        return self._shared.setdefault((handle.name, handle.life), _Shared())

    def _x_shm_map(self, file: Any, region: int, size: int, extend: int, out: Any) -> int:
        shared = self._of_shared(self._of(file))
        if extend:
            while len(shared.regions) <= region:
                shared.regions.append(c.create_string_buffer(size))
        known = region < len(shared.regions)
        out[0] = c.addressof(shared.regions[region]) if known else None
        return _OK

    def _x_shm_lock(self, file: Any, offset: int, count: int, flags: int) -> int:
        handle = self._of(file)
        holders = self._of_shared(handle).holders
        slots = [holders.setdefault(slot, {}) for slot in range(offset, offset + count)]
        if flags & _SHM_UNLOCK:
            for slot in slots:
                slot.pop(handle, None)
            return _OK
        exclusive = bool(flags & _SHM_EXCLUSIVE)
        if exclusive and offset == _WRITE_SLOT:
            self._disk.check_lock()
        for slot in slots:
            if any(other is not handle and (exclusive or theirs) for other, theirs in slot.items()):
                return _BUSY
        for slot in slots:
            slot[handle] = exclusive
        return _OK

    def _x_shm_barrier(self, _file: Any) -> None:
        return None

    def _x_shm_unmap(self, file: Any, _delete: int) -> int:
        self._release(self._of(file))
        return _OK

    def _release(self, handle: _Open) -> None:
        handle.lock = _NONE
        for slot in self._of_shared(handle).holders.values():
            slot.pop(handle, None)


def _method(name: str) -> str:
    """`_x_shm_map` is SQLite's xShmMap."""
    return "_" + "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


_names = itertools.count(1)
# SQLite closes a connection for good when its last statement is collected, and calls the disk then.
_kept: list[Vfs] = []


@contextmanager
def mounted(disk: Disk) -> Iterator[Vfs]:
    vfs = Vfs(disk, f"simulated{next(_names)}")
    _kept.append(vfs)
    vfs.register()
    try:
        yield vfs
    finally:
        vfs.close()
        vfs.unregister()
        vfs.forget()
