"""Processes of the program that stay: lines of JSON go in, one by one, and lines of JSON come out. Device, kernels
and model are made ready once, and not for every run."""

import json
import os
import queue
import signal
import subprocess
import threading
import time

# A process that says nothing for so many seconds hangs; building all kernels of a method takes a fraction of it.
SILENCE_SECS = 150.0


class Gone(Exception):
    """The process has ended, or hangs and was ended."""


class Kept:
    """A process with its complaints in the file `log`."""

    def __init__(self, command, log, threads=None):
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log.open("ab")
        environment = os.environ | ({"RAYON_NUM_THREADS": str(threads)} if threads else {})
        self.child = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=environment,
            # An interrupt of the study is not one of the process.
            start_new_session=True,
        )
        self.lines = queue.Queue()
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()

    def listen(self):
        with self.child.stdout as output:
            for line in output:
                try:
                    said = json.loads(line)
                except ValueError:
                    # A driver may write to the output too.
                    continue
                if isinstance(said, dict):
                    self.lines.put(said)
        self.lines.put(None)

    def ask(self, request, is_answer, deadline=float("inf"), stopping=None, silence=SILENCE_SECS):
        """What is said in answer to a request. Raises Gone where the process ends or hangs, and TimeoutError at
        the deadline or once `stopping` is set; then the process still works on it."""
        try:
            self.child.stdin.write(json.dumps(request).encode() + b"\n")
            self.child.stdin.flush()
        except OSError as error:
            raise Gone("its process exited without an error message") from error
        heard = time.monotonic()
        while True:
            now = time.monotonic()
            if now > deadline or (stopping is not None and stopping.is_set()):
                raise TimeoutError
            if now - heard > silence:
                self.end()
                raise Gone(f"its process said nothing for {silence:.0f} s and was killed")
            try:
                said = self.lines.get(timeout=0.2)
            except queue.Empty:
                continue
            if said is None:
                raise Gone("its process exited without an error message")
            heard = time.monotonic()
            if is_answer(said):
                return said

    def interrupt(self, patience=60.0):
        """Has it save what is under way, and waits for its end."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
        try:
            self.child.wait(patience)
        except subprocess.TimeoutExpired:
            pass
        self.end()

    def end(self):
        """Ends it at once, if it has not ended."""
        self.child.kill()
        self.child.wait()
        # Children of its own may hold the output open.
        self.listener.join(1.0)
        try:
            self.child.stdin.close()
        except OSError:
            # What it was told last did not reach it.
            pass
        self.log.close()
