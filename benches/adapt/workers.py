"""Adaptations done by processes of the program that stay."""

import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[up]) for up in (0, 1)]

from kept import Gone, Kept  # noqa: E402
from units import missing, outcomes, scores, tuned_bases  # noqa: E402


class Workers:
    """Threads, each with a process on a device; the most telling rows first."""

    def __init__(self, arguments, journal, wanted):
        self.arguments, self.journal, self.wanted = arguments, journal, wanted
        self.changed, self.stopping = threading.Condition(), threading.Event()
        # Keys of units under way, messages of those that failed in this session, and states by their benchmarks.
        self.busy, self.failed, self.bases = set(), {}, {}
        self.deadline = arguments.started + (arguments.budget or math.inf)
        devices = [f"gpu:{idx}" for idx in range(arguments.gpus)] if arguments.gpus else [arguments.device]
        self.places = [(device, number) for number in range(arguments.jobs) for device in devices]

    def go(self):
        """Does what there is to do; whether all of it is done."""
        threads = [threading.Thread(target=self.work, args=place) for place in self.places]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.5)
        except KeyboardInterrupt:
            print("stopping; what is done is in the journal, what is under way is saved", file=sys.stderr)
            self.stopping.set()
            for thread in threads:
                thread.join()
        with self.changed:
            return not self.failed and not self.stopping.is_set() and self.next_unit() is None

    def next_unit(self):
        """The first unit that is neither done nor under way; None where there is none now."""
        for weight in sorted({row.weight for row in self.wanted}):
            level = [row for row in self.wanted if row.weight == weight]
            for benchmark in {row.benchmark for row in level if row.base == "tuned"} - set(self.bases):
                self.bases |= tuned_bases(self.arguments, {benchmark})
            for row in level:
                for unit in missing(row, self.arguments, self.bases, self.journal):
                    if unit.key not in self.busy and unit.key not in self.failed:
                        return unit
        return None

    def take(self):
        """The next unit; None when there is none, or no time."""
        with self.changed:
            while not self.stopping.is_set() and time.monotonic() < self.deadline:
                try:
                    unit = self.next_unit()
                except (OSError, IndexError, subprocess.CalledProcessError) as error:
                    self.failed["bases"] = f"a state to start from could not be tuned, {error}"
                    self.stopping.set()
                    return None
                if unit is not None:
                    self.busy.add(unit.key)
                    return unit
                if not self.busy:
                    return None
                # The next depends on those under way.
                self.changed.wait(1.0)
            return None

    def process(self, device, number):
        arguments = self.arguments
        log = arguments.out / f"process-{device.replace(':', '-')}-{number}.log"
        threads = max(1, (os.cpu_count() or 1) // len(self.places))
        return Kept([arguments.gosling, "adapt", "--quiet", "--device", device, "--many", "-"], log, threads)

    def work(self, device, number):
        kept = None
        while unit := self.take():
            began = time.monotonic()
            request = {"preset": "mmlu-information", "set": unit.settings(), "out": str(unit.folder(self.arguments.out))}
            try:
                for is_last in (False, True):
                    try:
                        kept = kept or self.process(device, number)
                        # An adaptation says nothing until it is over, however long it takes.
                        said = kept.ask(request, lambda said: "out" in said, self.deadline, self.stopping, math.inf)
                        self.conclude(unit, said["error"], time.monotonic() - began)
                        break
                    except TimeoutError:
                        raise
                    except (Gone, OSError) as error:
                        kept = kept and kept.end()
                        if is_last:
                            self.failed[unit.key] = f"{unit.row.name}: {error}"
            except TimeoutError:
                # It goes on from there the next time.
                kept.interrupt()
                kept = None
            with self.changed:
                self.busy.discard(unit.key)
                self.changed.notify_all()
        if kept:
            kept.end()

    def conclude(self, unit, error, secs):
        folder = unit.folder(self.arguments.out)
        scored = scores(folder, unit.row.steps) if unit.row.steps and unit.is_trial else None
        found = outcomes(folder)
        with self.changed:
            self.journal.add(unit, found, error, scored, secs)
        adapted = self.journal.adapted(unit)
        words = f"failed, {error}" if error else f"{adapted['right'].count('1')} of {len(adapted['right'])}" if adapted else "done"
        what = "validation" if unit.is_trial else f"test, seed {unit.seed}"
        print(f"{unit.row.name}, rate {unit.rate}, {what}: {words}, {secs:.1f} s", file=sys.stderr, flush=True)
