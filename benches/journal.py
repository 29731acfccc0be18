"""What a study has measured: one line of JSON each, in a file that only grows."""

import json
import os
import threading


class Journal:
    """The entries of some files by their `key`; new ones go to the first file.

    The last line of a study that was killed may be torn; it is passed over, and the next entry begins a line of
    its own.
    """

    def __init__(self, files, key):
        self.file, self.key, self.entries, self.lock = files[0], key, {}, threading.Lock()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        for file in files:
            for line in file.read_text().splitlines() if file.is_file() else []:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                self.entries[key(entry)] = entry

    def write(self, entry):
        """Adds an entry, which is on the disk when this returns."""
        line = json.dumps(entry, ensure_ascii=False)
        with self.lock:
            is_torn = self.file.is_file() and not self.file.read_bytes()[-1:] in (b"", b"\n")
            with self.file.open("a") as out:
                out.write(("\n" if is_torn else "") + line + "\n")
                out.flush()
                os.fsync(out.fileno())
            self.entries[self.key(entry)] = entry
