"""What the first build takes, by what it is for, from the time stamps that cargo leaves: when it
started a library (`.fingerprint/*/invoked.timestamp`) and when that was written. Two or more are
compiled at a time, so that the sum is longer than the build.

    python3 benches/first_build.py target/release
"""

import collections
import pathlib
import re
import sys

GROUPS = [
    ("Burn", r"burn"),
    ("CubeCL, its kernels and SPIR-V", r"cubecl|cubek|pliron|tracel|variadics"),
    ("wgpu and naga", r"wgpu|naga|ash|gpu-|khronos|glow"),
    (
        "the window",
        r"e?gui|eframe|epaint|emath|ecolor|winit|x11|wayland|smithay|accesskit|atspi|zbus|zvariant|vello|parley|fontique"
        r"|skrifa|read-fonts|font|harf|rfd|notify|calloop|swash|peniko|kurbo|arboard|image|moxcms|icu|skia|xkb|xcursor|async",
    ),
    ("faer and gemm", r"faer|gemm|pulp|nano-gemm|private-gemm"),
    ("Gosling", r"gosling"),
]


def libraries(target):
    """The seconds of each library, of the newest of its builds."""
    newest = {}
    for folder in (target / ".fingerprint").iterdir():
        name, _, tag = folder.name.rpartition("-")
        start = folder / "invoked.timestamp"
        files = [*(target / "deps").glob(f"*-{tag}.rlib"), *(target / "deps").glob(f"*-{tag}.so")]
        if start.exists() and files:
            begun, done = start.stat().st_mtime, max(file.stat().st_mtime for file in files)
            newest[name] = max(newest.get(name, (0, 0)), (done, done - begun))
    return {name: secs for name, (_, secs) in newest.items()}


def main():
    secs = libraries(pathlib.Path(sys.argv[1]))
    groups = collections.defaultdict(list)
    for name, taken in secs.items():
        group = next((group for group, names in GROUPS if re.match(names, name)), "the rest")
        groups[group].append((taken, name))
    print("| what | libraries | seconds | the longest |\n|---|---|---|---|")
    for group, members in sorted(groups.items(), key=lambda pair: -sum(taken for taken, _ in pair[1])):
        longest = ", ".join(f"{name} {taken:.0f}" for taken, name in sorted(members, reverse=True)[:4])
        print(f"| {group} | {len(members)} | {sum(taken for taken, _ in members):.0f} | {longest} |")
    print(f"| together | {len(secs)} | {sum(secs.values()):.0f} | |")


if __name__ == "__main__":
    main()
